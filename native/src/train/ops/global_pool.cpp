// The average of each channel over the image.
#include "train/ops/imagewise.h"

namespace lathe {
namespace {

class GlobalPool final : public Imagewise {
 public:
  void Forward(const TrainContext& context) override {
    ForwardImages(context, [&](int image, float* y) {
      Scratch scratch{in[0]->shape.size()};
      Average(context.kernels, LoadImage(context, *in[0], image, scratch.Next()), y);
    });
  }

  void Backward(const TrainContext& context) override {
    const Partition chunks = Chunks(context.batch);
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    if (!sink.wanted()) return;
    const int channels = out->shape.channels;
    ForImages(context, chunks, [&](int chunk, int image) {
      Scratch scratch{in[0]->shape.size(), out->shape.size(), out->shape.size()};
      float* dx = scratch.Next();
      float* share = scratch.Next();
      std::copy_n(LoadGradient(source, image, scratch.Next()), channels, share);
      context.kernels.scale(share, Share(), out->shape.size());
      for (int pixel = 0; pixel < PixelsOf(*in[0]); ++pixel) {
        std::copy_n(share, channels, dx + static_cast<std::ptrdiff_t>(pixel) * channels);
      }
      SendImage(sink, *in[0], chunk, image, dx);
    });
  }

  void Infer(const InferContext& context) const override {
    for (int image = 0; image < context.images; ++image) {
      Average(context.kernels, context.inputs[0] + image * in[0]->shape.size(),
              context.output + image * out->shape.size());
    }
    ApplyInferAffine(context);
  }

  bool passesSign() const override { return true; }

 private:
  float Share() const { return 1.0f / static_cast<float>(in[0]->shape.pixels()); }

  void Average(const Kernels& kernels, const float* x, float* y) const {
    std::fill_n(y, out->shape.size(), 0.0f);
    kernels.columnSum(x, PixelsOf(*in[0]), out->shape.channels, y);
    kernels.scale(y, Share(), out->shape.size());
  }
};

}  // namespace

std::unique_ptr<Op> MakeGlobalPool() { return std::make_unique<GlobalPool>(); }

}  // namespace lathe
