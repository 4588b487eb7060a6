// What operators share that work on one image at a time, whole.
#pragma once

#include <algorithm>

#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"

namespace lathe {

class Imagewise : public Op {
 public:
  std::int64_t WorkPerImage() const override {
    return static_cast<std::int64_t>(std::max(in[0]->shape.size(), out->shape.size())) * 4;
  }

  std::size_t ScratchFloats(const Kernels&) const override { return 2 * in[0]->shape.size() + out->shape.size(); }

 protected:
  Partition Chunks(int batch) const { return Partition(batch, 1, batch * WorkPerImage()); }

  // Calls body(chunk, image) for every image, and sees to the batch norm behind.
  template <typename Body>
  void ForwardImages(const TrainContext& context, Body body) const {
    const Partition chunks = Chunks(context.batch);
    const int pixels = static_cast<int>(out->shape.pixels());
    BeginNorm(chunks.count());
    ForImages(context, chunks, [&](int chunk, int image) {
      body(image, OutputOf(image));
      AddToNorm(context, chunk, OutputOf(image), pixels);
    });
    FinishNorm(context, chunks.count());
  }

  template <typename Body>
  void ForImages(const TrainContext& context, const Partition& chunks, Body body) const {
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          for (int image = chunks[chunk].begin; image < chunks[chunk].end; ++image) body(chunk, image);
        },
        context.direction);
  }

  float* OutputOf(int image) const { return out->y + image * out->shape.size(); }

  static int PixelsOf(const Tensor& tensor) { return static_cast<int>(tensor.shape.pixels()); }
  static const float* LoadImage(const TrainContext& context, const Tensor& tensor, int image, float* buffer) {
    return LoadPixels(context.kernels, tensor, image * tensor.shape.pixels(), PixelsOf(tensor), buffer);
  }
  const float* LoadGradient(const GradientSource& source, int image, float* buffer) const {
    return source.Load(image * out->shape.pixels(), PixelsOf(*out), buffer);
  }
  static void SendImage(const GradientSink& sink, const Tensor& tensor, int chunk, int image, const float* dx) {
    sink.Add(chunk, image * tensor.shape.pixels(), PixelsOf(tensor), dx);
  }
};

}  // namespace lathe
