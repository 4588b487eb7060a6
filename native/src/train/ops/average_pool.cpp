// Average pooling without padding; the global form is the same with one window.
#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"

namespace lathe {
namespace {

class AveragePool final : public Op {
 public:
  explicit AveragePool(const OpSpec& spec)
      : global_(spec.kind == OpKind::kGlobalAveragePool), kernel_(spec.kernel), stride_(spec.stride) {}

  void Forward(const TrainContext& context) override {
    const Partition chunks = Chunks(context.batch);
    const int outPixels = static_cast<int>(out->shape.pixels());
    BeginNorm(chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          for (int image = chunks[chunk].begin; image < chunks[chunk].end; ++image) {
            Scratch scratch{in[0]->shape.size()};
            const std::size_t begin = image * in[0]->shape.pixels();
            const float* x =
                LoadPixels(context.kernels, *in[0], begin, static_cast<int>(in[0]->shape.pixels()), scratch.Next());
            float* y = out->y + image * out->shape.size();
            Pool(context.kernels, x, y);
            AddToNorm(context, chunk, y, outPixels);
          }
        },
        context.direction);
    FinishNorm(context, chunks.count());
  }

  void Backward(const TrainContext& context) override {
    const Partition chunks = Chunks(context.batch);
    const int outPixels = static_cast<int>(out->shape.pixels());
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    if (!sink.wanted()) return;
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          for (int image = chunks[chunk].begin; image < chunks[chunk].end; ++image) {
            Scratch scratch{in[0]->shape.size(), out->shape.size()};
            float* dx = scratch.Next();
            const float* dy = source.Load(static_cast<std::size_t>(image) * outPixels, outPixels, scratch.Next());
            Spread(context.kernels, dy, dx);
            sink.Add(chunk, image * in[0]->shape.pixels(), static_cast<int>(in[0]->shape.pixels()), dx);
          }
        },
        context.direction);
  }

  void Infer(const InferContext& context) const override {
    for (int image = 0; image < context.images; ++image) {
      Pool(context.kernels, context.inputs[0] + image * in[0]->shape.size(),
           context.output + image * out->shape.size());
    }
    if (inferAffine_.identity()) return;
    context.kernels.affine(context.output, context.output, context.images * static_cast<int>(out->shape.pixels()),
                           out->shape.channels, inferAffine_);
  }

  std::int64_t WorkPerImage() const override { return static_cast<std::int64_t>(in[0]->shape.size()) * 4; }

  bool passesSign() const override { return true; }

 private:
  int KernelHeight() const { return global_ ? in[0]->shape.height : kernel_.height; }
  int KernelWidth() const { return global_ ? in[0]->shape.width : kernel_.width; }
  float Share() const { return 1.0f / (static_cast<float>(KernelHeight()) * static_cast<float>(KernelWidth())); }

  // x (H, W, C) of one image to y (outH, outW, C).
  void Pool(const Kernels& kernels, const float* x, float* y) const {
    const Shape& from = in[0]->shape;
    std::fill_n(y, out->shape.size(), 0.0f);
    ForWindows([&](int outPixel, int inPixel, int width) {
      kernels.columnSum(x + static_cast<std::size_t>(inPixel) * from.channels, width, from.channels,
                        y + static_cast<std::size_t>(outPixel) * from.channels);
    });
    kernels.scale(y, Share(), out->shape.size());
  }

  void Spread(const Kernels& kernels, const float* dy, float* dx) const {
    const Shape& to = in[0]->shape;
    std::fill_n(dx, to.size(), 0.0f);
    ForWindows([&](int outPixel, int inPixel, int width) {
      for (int i = 0; i < width; ++i) {
        float* pixel = dx + static_cast<std::size_t>(inPixel + i) * to.channels;
        kernels.add(pixel, pixel, dy + static_cast<std::size_t>(outPixel) * to.channels, to.channels);
      }
    });
    kernels.scale(dx, Share(), to.size());
  }

  // Calls visit(output pixel, first input pixel, pixels) for each row of each window; a global window is one row.
  template <typename Visit>
  void ForWindows(Visit visit) const {
    const Shape& from = in[0]->shape;
    if (global_) {
      visit(0, 0, static_cast<int>(from.pixels()));
      return;
    }
    for (int oy = 0; oy < out->shape.height; ++oy) {
      for (int ox = 0; ox < out->shape.width; ++ox) {
        for (int ky = 0; ky < kernel_.height; ++ky) {
          visit(oy * out->shape.width + ox, (oy * stride_.height + ky) * from.width + ox * stride_.width,
                kernel_.width);
        }
      }
    }
  }

  Partition Chunks(int batch) const { return Partition(batch, 1, batch * WorkPerImage()); }

  bool global_;
  Pair kernel_, stride_;
};

}  // namespace

std::unique_ptr<Op> MakeAveragePool(const OpSpec& spec) { return std::make_unique<AveragePool>(spec); }

}  // namespace lathe
