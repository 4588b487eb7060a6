// Copies its input: carries a batch norm or an activation that follows nothing it could be merged with.
#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"

namespace lathe {
namespace {

// Pixels at once: some 32 KiB.
int BlockPixels(int channels) { return std::max(1, 8192 / channels); }

class Identity final : public Op {
 public:
  void Forward(const TrainContext& context) override {
    const int channels = out->shape.channels;
    const Partition chunks = Chunks(context.batch);
    BeginNorm(chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          const Range range = chunks[chunk];
          for (int begin = range.begin; begin < range.end; begin += BlockPixels(channels)) {
            const int count = std::min(BlockPixels(channels), range.end - begin);
            const std::size_t floats = static_cast<std::size_t>(count) * channels;
            float* y = out->y + static_cast<std::size_t>(begin) * channels;
            const float* x = LoadPixels(context.kernels, *in[0], begin, count, y);
            if (x != y) std::copy_n(x, floats, y);
            AddToNorm(context, chunk, y, count);
          }
        },
        context.direction);
    FinishNorm(context, chunks.count());
  }

  void Backward(const TrainContext& context) override {
    const int channels = out->shape.channels;
    const Partition chunks = Chunks(context.batch);
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    if (!sink.wanted()) return;
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          const Range range = chunks[chunk];
          for (int begin = range.begin; begin < range.end; begin += BlockPixels(channels)) {
            const int count = std::min(BlockPixels(channels), range.end - begin);
            Scratch scratch{static_cast<std::size_t>(count) * channels};
            sink.Add(chunk, begin, count, source.Load(begin, count, scratch.Next()));
          }
        },
        context.direction);
  }

  void Infer(const InferContext& context) const override {
    const int pixels = context.images * static_cast<int>(out->shape.pixels());
    context.kernels.affine(context.output, context.inputs[0], pixels, out->shape.channels, inferAffine_);
  }

  bool passesSign() const override { return true; }

 private:
  Partition Chunks(int batch) const {
    const int pixels = batch * static_cast<int>(out->shape.pixels());
    return Partition(pixels, 16, static_cast<std::int64_t>(pixels) * out->shape.channels * 4);
  }
};

}  // namespace

std::unique_ptr<Op> MakeIdentity() { return std::make_unique<Identity>(); }

}  // namespace lathe
