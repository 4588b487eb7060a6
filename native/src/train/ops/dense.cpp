// Convolution with any kernel and any groups, all channels of a group to all channels of it: patches are gathered a few
// pixels at a time (a weight row's order: kernel row, kernel column, channel) and multiplied as matrices, while they
// are in cache.
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
      : spec_(spec),
        groups_(spec.groups),
        groupIn_(spec.inChannels / spec.groups),
        k_(spec.kernel.height * spec.kernel.width * groupIn_),
        n_(spec.outChannels / spec.groups),
        at_(parameters) {}

  void Plan(const Kernels& kernels, int) override {
    forwardWeights_ = AlignedFloats(groups_ * PackedSize(kernels, k_, n_));
    backwardWeights_ = AlignedFloats(groups_ * PackedSize(kernels, n_, k_));
    partial_.Resize(PartialSize(), PartialLimit(PartialSize()));
  }

  void PackForTraining(const TrainContext& context) override {
    const Kernels& kernels = context.kernels;
    const float* weight = context.parameters + at_.weight;  // (out, kernel * kernel * in)
    PackForward(kernels, weight, forwardWeights_);
    if (!in[0]->wantsGradient) return;
    for (int group = 0; group < groups_; ++group) {
      kernels.packRows(weight + group * WeightsPerGroup(), k_, n_, k_,
                       backwardWeights_.data() + group * PackedSize(kernels, n_, k_));
    }
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
    inferWeights_ = AlignedFloats(groups_ * PackedSize(kernels, k_, n_));
    PackForward(kernels, weights.weight, inferWeights_);
  }

  void Infer(const InferContext& context) const override {
    const ConvGeometry geometry = Geometry();
    ForStrips(geometry, {0, context.images * geometry.out.height}, [&](int image, int row, int count) {
      float* y = context.output + OutputOffset(image, row);
      Strip(context.kernels, context.inputs[0] + image * geometry.in.size(), Affine{}, inferWeights_, InferEpilogue(),
            row, count, y);
      FinishInfer(context.kernels, y, count * geometry.out.width);
    });
  }

  std::size_t ScratchFloats(const Kernels& kernels) const override {
    const ConvGeometry geometry = Geometry();
    return geometry.Tile(0, geometry.StripRows()).size(geometry.in) + geometry.Whole().size(geometry.in) +
           geometry.in.size() +
           static_cast<std::size_t>(BlockPixels(kernels)) * (k_ + static_cast<std::size_t>(spec_.outChannels));
  }

  std::int64_t WorkPerImage() const override { return static_cast<std::int64_t>(out->shape.size()) * k_; }

 private:
  ConvGeometry Geometry() const { return {in[0]->shape, out->shape, spec_}; }
  std::size_t WeightsPerGroup() const { return static_cast<std::size_t>(n_) * k_; }
  std::size_t PartialSize() const { return groups_ * WeightsPerGroup() + (at_.bias ? spec_.outChannels : 0); }
  std::size_t OutputOffset(int image, int row) const {
    return image * out->shape.size() + static_cast<std::size_t>(row) * out->shape.width * spec_.outChannels;
  }
  // Pixels at once: some 32 KiB of patches, in whole register tiles.
  int BlockPixels(const Kernels& kernels) const {
    const int fit = 8192 / std::max(k_, n_);
    return std::max(kernels.gemmRows, fit / kernels.gemmRows * kernels.gemmRows);
  }

  // weight (out, k) to a packed matrix a group.
  void PackForward(const Kernels& kernels, const float* weight, AlignedFloats& packed) const {
    for (int group = 0; group < groups_; ++group) {
      kernels.packColumns(weight + group * WeightsPerGroup(), k_, k_, n_,
                          packed.data() + group * PackedSize(kernels, k_, n_));
    }
  }

  // Neighbouring floats of a patch: a kernel row where its pixels lie side by side, else one pixel's channels.
  int PieceLength() const {
    return groups_ == 1 && spec_.dilation.width == 1 ? spec_.kernel.width * groupIn_ : groupIn_;
  }

  // Calls visit(tile offset, patch offset) for each piece of a group's patches of `count` output pixels from `pixel`
  // on, counted from the tile's first output row.
  template <typename Visit>
  void ForPatchPieces(const ConvGeometry& geometry, int group, int pixel, int count, Visit visit) const {
    const int channels = geometry.in.channels, width = geometry.out.width, length = PieceLength();
    const int pieces = spec_.kernel.width * groupIn_ / length;
    const std::ptrdiff_t tileRow = static_cast<std::ptrdiff_t>(geometry.paddedWidth()) * channels;
    const std::ptrdiff_t tapRow = spec_.dilation.height * tileRow;
    const std::ptrdiff_t tapColumn = static_cast<std::ptrdiff_t>(spec_.dilation.width) * channels;
    for (int i = 0; i < count; ++i) {
      const int row = (pixel + i) / width, column = (pixel + i) % width;
      const std::ptrdiff_t first = row * spec_.stride.height * tileRow +
                                   static_cast<std::ptrdiff_t>(column) * spec_.stride.width * channels +
                                   group * groupIn_;
      std::ptrdiff_t to = static_cast<std::ptrdiff_t>(i) * k_;
      for (int ky = 0; ky < spec_.kernel.height; ++ky) {
        for (int piece = 0; piece < pieces; ++piece, to += length) visit(first + ky * tapRow + piece * tapColumn, to);
      }
    }
  }

  void Gather(const ConvGeometry& geometry, int group, const float* tile, int pixel, int count, float* patches) const {
    const int length = PieceLength();
    ForPatchPieces(geometry, group, pixel, count, [&](std::ptrdiff_t from, std::ptrdiff_t to) {
      for (int j = 0; j < length; ++j) patches[to + j] = tile[from + j];
    });
  }

  GemmArgs Product(int m, int n, int k, const float* a, const float* packed, float* c) const {
    GemmArgs gemm;
    gemm.m = m;
    gemm.n = n;
    gemm.k = k;
    gemm.a = a;
    gemm.lda = k;
    gemm.b = packed;
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
      for (int group = 0; group < groups_; ++group) {
        Gather(geometry, group, padded, pixel, some, patches);
        GemmArgs gemm = Product(some, n_, k_, patches, weights.data() + group * PackedSize(kernels, k_, n_),
                                y + static_cast<std::size_t>(pixel) * spec_.outChannels + group * n_);
        gemm.ldc = spec_.outChannels;
        gemm.epilogue = affine.identity() ? Epilogue::kStore : Epilogue::kAffine;
        gemm.affine = affine;
        if (affine.scale) gemm.affine.scale += group * n_;
        if (affine.shift) gemm.affine.shift += group * n_;
        kernels.gemm(gemm);
      }
    }
  }

  void BackwardRows(const Kernels& kernels, const GradientSource& source, const GradientSink& sink, int chunk,
                    Range rows, float* dWeight) const {
    const ConvGeometry geometry = Geometry();
    const PaddedTile whole = geometry.Whole();
    const int block = BlockPixels(kernels);
    const std::size_t tileSize = geometry.Tile(0, geometry.StripRows()).size(geometry.in);
    const std::size_t patchSize = static_cast<std::size_t>(block) * k_;
    Scratch scratch{tileSize, patchSize, static_cast<std::size_t>(block) * spec_.outChannels,
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
          static_cast<std::ptrdiff_t>(row) * spec_.stride.height * geometry.paddedWidth() * geometry.in.channels;
      for (int pixel = 0; pixel < pixels; pixel += block) {
        const int some = std::min(block, pixels - pixel);
        const float* dy = source.Load(first + pixel, some, dyBuffer);
        for (int group = 0; group < groups_; ++group) {
          const float* own = dy + static_cast<std::ptrdiff_t>(group) * n_;
          Gather(geometry, group, padded, pixel, some, patches);
          AddWeightGradient(kernels, some, patches, own, dWeight + group * WeightsPerGroup());
          if (!sink.wanted()) continue;
          GemmArgs gemm =
              Product(some, k_, n_, own, backwardWeights_.data() + group * PackedSize(kernels, n_, k_), patches);
          gemm.lda = spec_.outChannels;
          kernels.gemm(gemm);
          ScatterAdd(geometry, group, patches, pixel, some, dxPadded + tileInImage);
        }
        if (at_.bias) kernels.columnSum(dy, some, spec_.outChannels, dWeight + groups_ * WeightsPerGroup());
      }
      if (sink.wanted() && row + count == geometry.out.height) {
        Crop(geometry, dxPadded, dx);
        sink.Add(chunk, image * geometry.in.pixels(), static_cast<int>(geometry.in.pixels()), dx);
      }
    });
  }

  // A group's dWeight (out, kernel * kernel * in).
  void AddWeightGradient(const Kernels& kernels, int count, const float* patches, const float* dy,
                         float* dWeight) const {
    GemmArgs gemm;
    gemm.m = n_;
    gemm.n = k_;
    gemm.k = count;
    gemm.a = dy;
    gemm.lda = spec_.outChannels;
    gemm.transposedA = true;
    gemm.b = patches;
    gemm.ldb = k_;
    gemm.c = dWeight;
    gemm.ldc = k_;
    gemm.epilogue = Epilogue::kAccumulate;
    kernels.gemm(gemm);
  }

  void ScatterAdd(const ConvGeometry& geometry, int group, const float* patches, int pixel, int count,
                  float* tile) const {
    const int length = PieceLength();
    ForPatchPieces(geometry, group, pixel, count, [&](std::ptrdiff_t to, std::ptrdiff_t from) {
      for (int j = 0; j < length; ++j) tile[to + j] += patches[from + j];
    });
  }

  // The image inside its padding.
  void Crop(const ConvGeometry& geometry, const float* padded, float* image) const {
    const int channels = geometry.in.channels, rowFloats = geometry.in.width * channels;
    for (int row = 0; row < geometry.in.height; ++row) {
      const std::ptrdiff_t from =
          (static_cast<std::ptrdiff_t>(row + spec_.padding.top) * geometry.paddedWidth() + spec_.padding.left) *
          channels;
      std::copy_n(padded + from, rowFloats, image + static_cast<std::ptrdiff_t>(row) * rowFloats);
    }
  }

  OpSpec spec_;
  int groups_, groupIn_;
  int k_, n_;  // of one group's matrix: patch, output channels
  WeightParameters at_;
  AlignedFloats forwardWeights_, backwardWeights_, inferWeights_;  // packed
  PartialSums partial_;                                            // dWeight, dBias
};

}  // namespace

std::unique_ptr<Op> MakeDense(const OpSpec& spec, WeightParameters parameters) {
  return std::make_unique<Dense>(spec, parameters);
}

}  // namespace lathe
