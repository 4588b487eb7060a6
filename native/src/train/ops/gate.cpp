// Each channel of an image times one value of its own: the gate of a squeeze-and-excitation block (Hu et al. 2018).
#include "train/ops/imagewise.h"

namespace lathe {
namespace {

class Gate final : public Imagewise {
 public:
  void Forward(const TrainContext& context) override {
    ForwardImages(context, [&](int image, float* y) {
      Scratch scratch{in[0]->shape.size(), GateFloats()};
      const float* x = LoadImage(context, *in[0], image, scratch.Next());
      Apply(context.kernels, x, LoadGate(context, image, scratch.Next()), y);
    });
  }

  void Backward(const TrainContext& context) override {
    const Partition chunks = Chunks(context.batch);
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink toImage(context.kernels, *in[0], chunks.count());
    const GradientSink toGate(context.kernels, *in[1], chunks.count());
    ForImages(context, chunks, [&](int chunk, int image) {
      Scratch scratch{out->shape.size(), in[0]->shape.size(), GateFloats(), GateFloats()};
      const float* dy = LoadGradient(source, image, scratch.Next());
      float* buffer = scratch.Next();  // the image, then its gradient
      if (toGate.wanted()) {
        const float* x = LoadImage(context, *in[0], image, buffer);
        float* dGate = scratch.Next();
        std::fill_n(dGate, out->shape.channels, 0.0f);
        context.kernels.columnDot(dy, x, PixelsOf(*out), out->shape.channels, dGate);
        SendImage(toGate, *in[1], chunk, image, dGate);
      } else {
        scratch.Next();
      }
      if (!toImage.wanted()) return;
      Apply(context.kernels, dy, LoadGate(context, image, scratch.Next()), buffer);
      SendImage(toImage, *in[0], chunk, image, buffer);
    });
  }

  void Infer(const InferContext& context) const override {
    Scratch scratch{GateFloats()};
    float* gate = scratch.Next();
    for (int image = 0; image < context.images; ++image) {
      std::copy_n(context.inputs[1] + static_cast<std::ptrdiff_t>(image) * out->shape.channels, out->shape.channels,
                  gate);
      MakePeriodic(gate, out->shape.channels);
      Apply(context.kernels, context.inputs[0] + image * out->shape.size(), gate,
            context.output + image * out->shape.size());
    }
    ApplyInferAffine(context);
  }

  bool passesSign() const override { return true; }

  std::size_t ScratchFloats(const Kernels&) const override { return 2 * out->shape.size() + 2 * GateFloats(); }

 private:
  std::size_t GateFloats() const { return static_cast<std::size_t>(ChannelVectorSize(out->shape.channels)); }

  // An image's gate as a per-channel vector.
  const float* LoadGate(const TrainContext& context, int image, float* vector) const {
    const float* gate = LoadImage(context, *in[1], image, vector);
    if (gate != vector) std::copy_n(gate, out->shape.channels, vector);
    MakePeriodic(vector, out->shape.channels);
    return vector;
  }

  void Apply(const Kernels& kernels, const float* x, const float* gate, float* y) const {
    Affine affine;
    affine.scale = gate;
    kernels.affine(y, x, PixelsOf(*out), out->shape.channels, affine);
  }
};

}  // namespace

std::unique_ptr<Op> MakeGate() { return std::make_unique<Gate>(); }

}  // namespace lathe
