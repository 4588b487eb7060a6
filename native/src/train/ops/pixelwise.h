// What operators share whose output pixel depends on the same pixel of their inputs alone: they go through the batch in
// blocks of pixels.
#pragma once

#include <algorithm>
#include <vector>

#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"

namespace lathe {

class Pixelwise : public Op {
 public:
  void Plan(const Kernels&, int) override { sinks_.reserve(in.size()); }

  void Forward(const TrainContext& context) final {
    const Partition chunks = Chunks(context.batch);
    BeginNorm(chunks.count());
    ForBlocks(context, chunks, [&](int chunk, int begin, int count) {
      float* y = out->y + static_cast<std::size_t>(begin) * out->shape.channels;
      Values(context, begin, count, y);
      AddToNorm(context, chunk, y, count);
    });
    FinishNorm(context, chunks.count());
  }

  void Backward(const TrainContext& context) final {
    const Partition chunks = Chunks(context.batch);
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    sinks_.clear();
    for (Tensor* input : in) sinks_.emplace_back(context.kernels, *input, chunks.count());
    ForBlocks(context, chunks,
              [&](int chunk, int begin, int count) { Send(context, source, sinks_, chunk, begin, count); });
  }

  std::size_t ScratchFloats(const Kernels&) const override {
    return 3 * static_cast<std::size_t>(BlockPixels()) * out->shape.channels;
  }

 protected:
  // Writes y (count, channels) of the pixels from `begin` on, counted over the batch.
  virtual void Values(const TrainContext& context, int begin, int count, float* y) const = 0;
  // Sends the gradients of those pixels to the inputs' sinks, in the inputs' order.
  virtual void Send(const TrainContext& context, const GradientSource& source, const std::vector<GradientSink>& sinks,
                    int chunk, int begin, int count) const = 0;

  // Of one input, in `buffer` where something has to be applied.
  const float* Load(const TrainContext& context, std::size_t input, int begin, int count, float* buffer) const {
    return LoadPixels(context.kernels, *in[input], static_cast<std::size_t>(begin), count, buffer);
  }

  std::size_t Floats(int pixels) const { return static_cast<std::size_t>(pixels) * out->shape.channels; }
  int Pixels(const InferContext& context) const { return context.images * static_cast<int>(out->shape.pixels()); }

  // Calls body(begin, count) for pieces of a micro-batch's pixels, on all threads that are free.
  template <typename Body>
  void InferBlocks(const InferContext& context, Body body) const {
    const Partition chunks = Chunks(context.images);
    ParallelFor(chunks.count(), [&](int chunk) { body(chunks[chunk].begin, chunks[chunk].size()); });
  }

 private:
  // Pixels at once: some 32 KiB.
  int BlockPixels() const { return std::max(1, 8192 / out->shape.channels); }

  template <typename Body>
  void ForBlocks(const TrainContext& context, const Partition& chunks, Body body) const {
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          const Range range = chunks[chunk];
          for (int begin = range.begin; begin < range.end; begin += BlockPixels()) {
            body(chunk, begin, std::min(BlockPixels(), range.end - begin));
          }
        },
        context.direction);
  }

  Partition Chunks(int batch) const {
    const int pixels = batch * static_cast<int>(out->shape.pixels());
    return Partition(pixels, 16, static_cast<std::int64_t>(pixels) * out->shape.channels * 4);
  }

  std::vector<GradientSink> sinks_;  // of one backward pass; kept for its memory
};

}  // namespace lathe
