// The sum of two tensors of one shape: a residual connection.
#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"

namespace lathe {
namespace {

// Pixels at once: some 32 KiB.
int BlockPixels(int channels) { return std::max(1, 8192 / channels); }

class AddOp final : public Op {
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
            Scratch scratch{floats, floats};
            const float* a = LoadPixels(context.kernels, *in[0], begin, count, scratch.Next());
            const float* b = LoadPixels(context.kernels, *in[1], begin, count, scratch.Next());
            float* y = out->y + static_cast<std::size_t>(begin) * channels;
            context.kernels.add(y, a, b, floats);
            AddToNorm(context, chunk, y, count);
          }
        },
        context.direction);
    FinishNorm(context, chunks.count());
  }

  void Backward(const TrainContext& context) override {
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    for (Tensor* input : in) Send(context, source, *input);
  }

  void Infer(const InferContext& context) const override {
    const int pixels = context.images * static_cast<int>(out->shape.pixels());
    const std::size_t floats = static_cast<std::size_t>(pixels) * out->shape.channels;
    context.kernels.add(context.output, context.inputs[0], context.inputs[1], floats);
    if (!inferAffine_.identity()) {
      context.kernels.affine(context.output, context.output, pixels, out->shape.channels, inferAffine_);
    }
  }

  bool passesSign() const override { return true; }

 private:
  void Send(const TrainContext& context, const GradientSource& source, Tensor& input) const {
    const int channels = out->shape.channels;
    const Partition chunks = Chunks(context.batch);
    const GradientSink sink(context.kernels, input, chunks.count());
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

  Partition Chunks(int batch) const {
    const int pixels = batch * static_cast<int>(out->shape.pixels());
    return Partition(pixels, 16, static_cast<std::int64_t>(pixels) * out->shape.channels * 4);
  }
};

}  // namespace

std::unique_ptr<Op> MakeAdd() { return std::make_unique<AddOp>(); }

}  // namespace lathe
