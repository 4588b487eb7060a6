// Constant padding, and flattening an image to a vector: the same values in another shape.
#include "train/ops/imagewise.h"

namespace lathe {
namespace {

class Pad final : public Imagewise {
 public:
  explicit Pad(const OpSpec& spec) : padding_(spec.padding), value_(static_cast<float>(spec.value)) {}

  void Forward(const TrainContext& context) override {
    ForwardImages(context, [&](int image, float* y) {
      Place(context.kernels, in[0]->y + image * in[0]->shape.size(), in[0]->affine(), y);
    });
  }

  void Backward(const TrainContext& context) override {
    const Partition chunks = Chunks(context.batch);
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    if (!sink.wanted()) return;
    const Shape &x = in[0]->shape, &y = out->shape;
    const std::size_t row = static_cast<std::size_t>(x.width) * x.channels;
    ForImages(context, chunks, [&](int chunk, int image) {
      Scratch scratch{x.size(), y.size()};
      float* dx = scratch.Next();
      const float* dy = LoadGradient(source, image, scratch.Next());
      for (int i = 0; i < x.height; ++i) {
        const std::size_t from = static_cast<std::size_t>(padding_.top + i) * y.width + padding_.left;
        std::copy_n(dy + from * y.channels, row, dx + i * row);
      }
      SendImage(sink, *in[0], chunk, image, dx);
    });
  }

  void Infer(const InferContext& context) const override {
    for (int image = 0; image < context.images; ++image) {
      Place(context.kernels, context.inputs[0] + image * in[0]->shape.size(), Affine{},
            context.output + image * out->shape.size());
    }
    ApplyInferAffine(context);
  }

  bool passesSign() const override { return value_ >= 0; }

 private:
  void Place(const Kernels& kernels, const float* x, const Affine& affine, float* y) const {
    std::fill_n(y, out->shape.size(), value_);
    LoadInside(kernels, x, in[0]->shape, affine, {-padding_.top, out->shape.height, padding_.left, padding_.right}, y);
  }

  Padding padding_;
  float value_;
};

class Flatten final : public Imagewise {
 public:
  void Forward(const TrainContext& context) override {
    ForwardImages(context, [&](int image, float* y) {
      const float* x = LoadImage(context, *in[0], image, y);
      if (x != y) std::copy_n(x, out->shape.size(), y);
    });
  }

  void Backward(const TrainContext& context) override {
    const Partition chunks = Chunks(context.batch);
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    if (!sink.wanted()) return;
    ForImages(context, chunks, [&](int chunk, int image) {
      Scratch scratch{out->shape.size()};
      SendImage(sink, *in[0], chunk, image, LoadGradient(source, image, scratch.Next()));
    });
  }

  void Infer(const InferContext& context) const override {
    std::copy_n(context.inputs[0], context.images * out->shape.size(), context.output);
    ApplyInferAffine(context);
  }

  bool passesSign() const override { return true; }
};

}  // namespace

std::unique_ptr<Op> MakePad(const OpSpec& spec) { return std::make_unique<Pad>(spec); }
std::unique_ptr<Op> MakeFlatten() { return std::make_unique<Flatten>(); }

}  // namespace lathe
