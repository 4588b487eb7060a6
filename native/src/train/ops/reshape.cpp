// Constant padding (negative: cutting off), and flattening an image to a vector: the same values in another shape.
#include "train/ops/imagewise.h"

namespace lathe {
namespace {

class Pad final : public Imagewise {
 public:
  explicit Pad(const OpSpec& spec) : padding_(spec.padding), value_(static_cast<float>(spec.value)) {}

  void Forward(const TrainContext& context) override {
    ForwardImages(context, [&](int image, float* y) {
      if (Cuts()) {
        Scratch scratch{in[0]->shape.size()};
        Cut(LoadImage(context, *in[0], image, scratch.Next()), y);
      } else {
        Place(context.kernels, in[0]->y + image * in[0]->shape.size(), in[0]->affine(), y);
      }
    });
  }

  void Backward(const TrainContext& context) override {
    const Partition chunks = Chunks(context.batch);
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    if (!sink.wanted()) return;
    ForImages(context, chunks, [&](int chunk, int image) {
      Scratch scratch{in[0]->shape.size(), out->shape.size()};
      float* dx = scratch.Next();
      const float* dy = LoadGradient(source, image, scratch.Next());
      if (Cuts()) std::fill_n(dx, in[0]->shape.size(), 0.0f);
      ForShared([&](std::size_t x, std::size_t y, std::size_t count) { std::copy_n(dy + y, count, dx + x); });
      SendImage(sink, *in[0], chunk, image, dx);
    });
  }

  void Infer(const InferContext& context) const override {
    for (int image = 0; image < context.images; ++image) {
      const float* x = context.inputs[0] + image * in[0]->shape.size();
      float* y = context.output + image * out->shape.size();
      if (Cuts()) {
        Cut(x, y);
      } else {
        Place(context.kernels, x, Affine{}, y);
      }
    }
    ApplyInferAffine(context);
  }

  bool passesSign() const override { return value_ >= 0; }

 private:
  bool Cuts() const { return std::min({padding_.top, padding_.left, padding_.bottom, padding_.right}) < 0; }

  void Cut(const float* x, float* y) const {
    std::fill_n(y, out->shape.size(), value_);
    ForShared([&](std::size_t from, std::size_t to, std::size_t count) { std::copy_n(x + from, count, y + to); });
  }

  // Calls visit(offset in the input, offset in the output, count) for the part of every row that both have.
  template <typename Visit>
  void ForShared(Visit visit) const {
    const Shape &x = in[0]->shape, &y = out->shape;
    const int left = std::max(0, -padding_.left), right = std::min(x.width, y.width - padding_.left);
    if (left >= right) return;
    const std::size_t count = static_cast<std::size_t>(right - left) * x.channels;
    for (int i = std::max(0, -padding_.top); i < std::min(x.height, y.height - padding_.top); ++i) {
      const std::size_t from = static_cast<std::size_t>(i) * x.width + left;
      const std::size_t to = static_cast<std::size_t>(padding_.top + i) * y.width + padding_.left + left;
      visit(from * x.channels, to * y.channels, count);
    }
  }

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
