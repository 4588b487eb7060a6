// Quantizes what enters an operator while training, on an edge of its own, so that other readers of the tensor keep
// their values. Rounding passes gradients straight through (Bengio et al. 2013); the clipping at the range does not:
// PACT (Choi et al. 2018, arXiv 1805.06085, equations 1 to 3), for signed values its symmetric form as in HAQ's
// released code.
#include <vector>

#include "core/scratch.h"
#include "core/thread_pool.h"
#include "quantize/linear.h"
#include "train/op.h"

namespace lathe {
namespace {

// Pixels at once: some 32 KiB.
int BlockPixels(int channels) { return std::max(1, 8192 / channels); }

// dx = dy inside the range, 0 outside; returns the range's gradient: the sum of dy above it, less that below -range.
double ClipGradient(const float* x, const float* dy, std::size_t count, float range, bool isSigned, float* dx) {
  constexpr int kLanes = 16;
  const float low = isSigned ? -range : 0.0f;
  float sums[kLanes] = {};
  const auto one = [&](std::size_t i, float& sum) {
    const float above = x[i] >= range ? dy[i] : 0.0f;
    const float below = isSigned && x[i] <= low ? dy[i] : 0.0f;
    sum += above - below;
    dx[i] = x[i] >= range || x[i] <= low ? 0.0f : dy[i];
  };
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) one(i + j, sums[j]);
  }
  for (; i < count; ++i) one(i, sums[0]);
  double total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

class FakeQuantize final : public Op {
 public:
  explicit FakeQuantize(ActivationRange* range) : range_(range), partial_(kMaxChunks) {}

  void Forward(const TrainContext& context) override {
    const Partition chunks = Chunks(context.batch);
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          ForBlocks(chunks[chunk], [&](int begin, int count) {
            const std::size_t floats = static_cast<std::size_t>(count) * out->shape.channels;
            float* y = out->y + static_cast<std::size_t>(begin) * out->shape.channels;
            const float* x = LoadPixels(context.kernels, *in[0], begin, count, y);
            Quantize(context.kernels, range_->quantizer, x, y, floats);
          });
        },
        context.direction);
  }

  void Backward(const TrainContext& context) override {
    if (!out->wantsGradient) return;
    const Partition chunks = Chunks(context.batch);
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    std::fill(partial_.begin(), partial_.end(), 0.0);
    const Quantizer& quantizer = range_->quantizer;
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          ForBlocks(chunks[chunk], [&](int begin, int count) {
            const std::size_t floats = static_cast<std::size_t>(count) * out->shape.channels;
            Scratch scratch{floats, floats, floats};
            const float* x = LoadPixels(context.kernels, *in[0], begin, count, scratch.Next());
            const float* dy = source.Load(begin, count, scratch.Next());
            float* dx = scratch.Next();
            partial_[chunk] += ClipGradient(x, dy, floats, quantizer.threshold, quantizer.isSigned, dx);
            if (sink.wanted()) sink.Add(chunk, begin, count, dx);
          });
        },
        context.direction);
    range_->gradient = 0;
    for (const double part : partial_) range_->gradient += part;
  }

  void Infer(const InferContext&) const override {}  // inference quantizes on its own (InferencePass)

 private:
  template <typename Body>
  void ForBlocks(Range range, Body body) const {
    const int block = BlockPixels(out->shape.channels);
    for (int begin = range.begin; begin < range.end; begin += block) body(begin, std::min(block, range.end - begin));
  }
  Partition Chunks(int batch) const {
    const int pixels = batch * static_cast<int>(out->shape.pixels());
    return Partition(pixels, 16, static_cast<std::int64_t>(pixels) * out->shape.channels * 4);
  }

  ActivationRange* range_;
  std::vector<double> partial_;  // by chunk, added in their order
};

}  // namespace

std::unique_ptr<Op> MakeFakeQuantize(ActivationRange* range) { return std::make_unique<FakeQuantize>(range); }

}  // namespace lathe
