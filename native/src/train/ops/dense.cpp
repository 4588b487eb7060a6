// Convolution with any kernel, all channels to all channels: patches are gathered a few pixels at a time (a weight
// row's order: kernel row, kernel column, channel) and multiplied as matrices, while they are in cache.
#include <algorithm>

#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"
#include "train/ops/partial_sums.h"
#include "train/ops/strips.h"

namespace lathe {
namespace {

class Dense final : public Op {
 public:
  Dense(const OpSpec& spec, WeightParameters parameters)
      : spec_(spec), k_(spec.kernel * spec.kernel * spec.inChannels), n_(spec.outChannels), at_(parameters) {}

  void Plan(const Kernels& kernels, int) override {
    forwardWeights_ = AlignedFloats(PackedSize(kernels, k_, n_));
    backwardWeights_ = AlignedFloats(PackedSize(kernels, n_, k_));
    partial_.Resize(PartialSize(), PartialLimit(PartialSize()));
  }

  void PackForTraining(const TrainContext& context) override {
    const float* weight = context.parameters + at_.weight;  // (out, kernel * kernel * in)
    context.kernels.packColumns(weight, k_, k_, n_, forwardWeights_.data());
    if (in[0]->wantsGradient) context.kernels.packRows(weight, k_, n_, k_, backwardWeights_.data());
  }

  void Forward(const TrainContext& context) override {
    const ConvGeometry geometry = Geometry();
    const int rows = context.batch * geometry.out.height;
    const Partition chunks(rows, 1, context.batch * WorkPerImage());
    Affine affine;
    if (at_.bias) affine.shift = context.parameters + *at_.bias;
    BeginNorm(chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          ForStrips(geometry, chunks[chunk], [&](int image, int row, int count) {
            float* y = out->y + OutputOffset(image, row);
            Strip(context.kernels, in[0]->y + image * geometry.in.size(), in[0]->affine(), forwardWeights_, affine, row,
                  count, y);
            AddToNorm(context, chunk, y, count * geometry.out.width);
          });
        },
        context.direction);
    FinishNorm(context, chunks.count());
  }

  void Backward(const TrainContext& context) override {
    const ConvGeometry geometry = Geometry();
    // The input's gradient of one image comes from all its output rows, so chunks are whole images where it is wanted.
    const int grain = in[0]->wantsGradient ? geometry.out.height : 1;
    const Partition chunks(context.batch * geometry.out.height, grain, 2 * context.batch * WorkPerImage(),
                           PartialLimit(PartialSize()));
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          float* dWeight = partial_.Begin(chunk);
          BackwardRows(context.kernels, source, sink, chunk, chunks[chunk], dWeight);
        },
        context.direction);
    partial_.Reduce(context.kernels, chunks.count(), context.gradients + at_.weight);
  }

  void PrepareInfer(const Kernels& kernels, const InferWeights& weights) override {
    Op::PrepareInfer(kernels, weights);
    inferWeights_ = AlignedFloats(PackedSize(kernels, k_, n_));
    kernels.packColumns(weights.weight, k_, k_, n_, inferWeights_.data());
  }

  void Infer(const InferContext& context) const override {
    const ConvGeometry geometry = Geometry();
    ForStrips(geometry, {0, context.images * geometry.out.height}, [&](int image, int row, int count) {
      Strip(context.kernels, context.inputs[0] + image * geometry.in.size(), Affine{}, inferWeights_, inferAffine_, row,
            count, context.output + OutputOffset(image, row));
    });
  }

  std::int64_t WorkPerImage() const override { return static_cast<std::int64_t>(out->shape.pixels()) * k_ * n_; }

 private:
  ConvGeometry Geometry() const { return {in[0]->shape, out->shape, spec_.kernel, spec_.stride, spec_.padding}; }
  std::size_t PartialSize() const { return static_cast<std::size_t>(n_) * k_ + (at_.bias ? n_ : 0); }
  std::size_t OutputOffset(int image, int row) const {
    return image * out->shape.size() + static_cast<std::size_t>(row) * out->shape.width * n_;
  }
  // Pixels at once: some 32 KiB of patches, in whole register tiles.
  int BlockPixels(const Kernels& kernels) const {
    const int fit = 8192 / std::max(k_, n_);
    return std::max(kernels.gemmRows, fit / kernels.gemmRows * kernels.gemmRows);
  }

  // Calls visit(tile offset, patch offset) for each kernel row of each of `count` output pixels from `pixel` on,
  // counted from the tile's first output row; a kernel row is kernel * channels neighbouring floats in both.
  template <typename Visit>
  void ForPatchRows(const ConvGeometry& geometry, int pixel, int count, Visit visit) const {
    const int channels = geometry.in.channels, width = geometry.out.width;
    const std::ptrdiff_t tileRow = static_cast<std::ptrdiff_t>(geometry.paddedWidth()) * channels;
    const int length = spec_.kernel * channels;
    for (int i = 0; i < count; ++i) {
      const int row = (pixel + i) / width, column = (pixel + i) % width;
      const std::ptrdiff_t first = row * spec_.stride * tileRow + column * spec_.stride * channels;
      for (int ky = 0; ky < spec_.kernel; ++ky) {
        visit(first + ky * tileRow, static_cast<std::ptrdiff_t>(i) * k_ + ky * length);
      }
    }
  }

  void Gather(const ConvGeometry& geometry, const float* tile, int pixel, int count, float* patches) const {
    const int length = spec_.kernel * geometry.in.channels;
    ForPatchRows(geometry, pixel, count, [&](std::ptrdiff_t from, std::ptrdiff_t to) {
      for (int j = 0; j < length; ++j) patches[to + j] = tile[from + j];
    });
  }

  GemmArgs Product(int m, int n, int k, const float* a, const AlignedFloats& packed, float* c) const {
    GemmArgs gemm;
    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    gemm.a = a;
    gemm.lda = k;
    gemm.b = packed.data();
    gemm.c = c;
    gemm.ldc = n;
    return gemm;
  }

  // `count` output rows from `row` on: y = affine(conv(input(image))).
  void Strip(const Kernels& kernels, const float* image, const Affine& input, const AlignedFloats& weights,
             const Affine& affine, int row, int count, float* y) const {
    const ConvGeometry geometry = Geometry();
    const PaddedTile tile = geometry.Tile(row, count);
    const int block = BlockPixels(kernels), pixels = count * geometry.out.width;
    Scratch scratch{tile.size(geometry.in), static_cast<std::size_t>(block) * k_};
    float* padded = scratch.Next();
    float* patches = scratch.Next();
    LoadPadded(kernels, image, geometry.in, input, tile, padded);
    for (int pixel = 0; pixel < pixels; pixel += block) {
      const int some = std::min(block, pixels - pixel);
      Gather(geometry, padded, pixel, some, patches);
      GemmArgs gemm = Product(some, n_, k_, patches, weights, y + static_cast<std::size_t>(pixel) * n_);
      gemm.epilogue = affine.identity() ? Epilogue::kStore : Epilogue::kAffine;
      gemm.affine = affine;
      kernels.gemm(gemm);
    }
  }

  void BackwardRows(const Kernels& kernels, const GradientSource& source, const GradientSink& sink, int chunk,
                    Range rows, float* dWeight) const {
    const ConvGeometry geometry = Geometry();
    const PaddedTile whole{-spec_.padding, geometry.in.height + 2 * spec_.padding, spec_.padding};
    const int block = BlockPixels(kernels);
    const std::size_t tileSize = geometry.Tile(0, geometry.StripRows()).size(geometry.in);
    const std::size_t patchSize = static_cast<std::size_t>(block) * k_;
    Scratch scratch{tileSize, patchSize, static_cast<std::size_t>(block) * n_,
                    sink.wanted() ? whole.size(geometry.in) : 0, geometry.in.size()};
    float* padded = scratch.Next();
    float* patches = scratch.Next();
    float* dyBuffer = scratch.Next();
    float* dxPadded = scratch.Next();
    float* dx = scratch.Next();
    ForStrips(geometry, rows, [&](int image, int row, int count) {
      if (sink.wanted() && row == 0) std::fill_n(dxPadded, whole.size(geometry.in), 0.0f);
      LoadPadded(kernels, in[0]->y + image * geometry.in.size(), geometry.in, in[0]->affine(),
                 geometry.Tile(row, count), padded);
      const int pixels = count * geometry.out.width;
      const std::size_t first = image * geometry.out.pixels() + static_cast<std::size_t>(row) * geometry.out.width;
      const std::ptrdiff_t tileInImage =
          static_cast<std::ptrdiff_t>(row) * spec_.stride * geometry.paddedWidth() * geometry.in.channels;
      for (int pixel = 0; pixel < pixels; pixel += block) {
        const int some = std::min(block, pixels - pixel);
        const float* dy = source.Load(first + pixel, some, dyBuffer);
        Gather(geometry, padded, pixel, some, patches);
        AddWeightGradient(kernels, some, patches, dy, dWeight);
        if (!sink.wanted()) continue;
        kernels.gemm(Product(some, k_, n_, dy, backwardWeights_, patches));
        ScatterAdd(geometry, patches, pixel, some, dxPadded + tileInImage);
      }
      if (sink.wanted() && row + count == geometry.out.height) {
        Crop(geometry, dxPadded, dx);
        sink.Add(chunk, image * geometry.in.pixels(), static_cast<int>(geometry.in.pixels()), dx);
      }
    });
  }

  // dWeight (out, kernel * kernel * in), then dBias (out).
  void AddWeightGradient(const Kernels& kernels, int count, const float* patches, const float* dy,
                         float* dWeight) const {
    GemmArgs gemm;
    gemm.m = n_;
    gemm.n = k_;
    gemm.k = count;
    gemm.a = dy;
    gemm.lda = n_;
    gemm.transposedA = true;
    gemm.b = patches;
    gemm.ldb = k_;
    gemm.c = dWeight;
    gemm.ldc = k_;
    gemm.epilogue = Epilogue::kAccumulate;
    kernels.gemm(gemm);
    if (at_.bias) kernels.columnSum(dy, count, n_, dWeight + static_cast<std::size_t>(n_) * k_);
  }

  void ScatterAdd(const ConvGeometry& geometry, const float* patches, int pixel, int count, float* tile) const {
    const int length = spec_.kernel * geometry.in.channels;
    ForPatchRows(geometry, pixel, count, [&](std::ptrdiff_t to, std::ptrdiff_t from) {
      for (int j = 0; j < length; ++j) tile[to + j] += patches[from + j];
    });
  }

  // The image inside its padding.
  void Crop(const ConvGeometry& geometry, const float* padded, float* image) const {
    const int channels = geometry.in.channels, rowFloats = geometry.in.width * channels;
    for (int row = 0; row < geometry.in.height; ++row) {
      const std::ptrdiff_t from =
          (static_cast<std::ptrdiff_t>(row + spec_.padding) * geometry.paddedWidth() + spec_.padding) * channels;
      std::copy_n(padded + from, rowFloats, image + static_cast<std::ptrdiff_t>(row) * rowFloats);
    }
  }

  OpSpec spec_;
  int k_, n_;
  WeightParameters at_;
  AlignedFloats forwardWeights_, backwardWeights_, inferWeights_;  // packed
  PartialSums partial_;                                            // dWeight, dBias
};

}  // namespace

std::unique_ptr<Op> MakeDense(const OpSpec& spec, WeightParameters parameters) {
  return std::make_unique<Dense>(spec, parameters);
}

}  // namespace lathe
