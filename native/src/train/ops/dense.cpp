// Convolution with any kernel and any groups, all channels of a group to all channels of it: a matrix product whose
// rows are the patches of a padded strip of the input, read where they lie (a weight row's order: kernel row, kernel
// column, channel).
#include <algorithm>
#include <optional>

#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"
#include "train/ops/input_gradient.h"
#include "train/ops/partial_sums.h"
#include "train/ops/strips.h"

namespace lathe {
namespace {

// Floats of a padded strip, 96 KiB: beside the weights of a few panels in a second-level cache.
constexpr int kStripFloats = 24576;

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
    PlanPatches();
    forwardWeights_ = AlignedFloats(groups_ * PackedSize(kernels, k_, n_));
    if (in[0]->wantsGradient) inputGradient_.emplace(in[0]->shape, out->shape, spec_, kernels);
    partial_.Resize(PartialSize(), PartialLimit(PartialSize()));
  }

  void PackForTraining(const TrainContext& context) override {
    const float* weight = context.parameters + at_.weight;  // (out, kernel * kernel * in)
    PackForward(context.kernels, weight, forwardWeights_);
    if (inputGradient_) inputGradient_->Pack(context.kernels, weight);
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
          ForStrips(geometry.out.height, stripRows_, chunks[chunk], [&](int image, int row, int count) {
            float* y = out->y + OutputOffset(image, row);
            Strip(context.kernels, in[0]->y + image * geometry.in.size(), in[0]->affine(), forwardWeights_, affine,
                  {row, count, 0, n_}, y);
            AddToNorm(context, chunk, y, count * geometry.out.width);
          });
        },
        context.direction);
    FinishNorm(context, chunks.count());
  }

  void Backward(const TrainContext& context) override {
    // Cut by rows of the input where its gradient is wanted; each strip takes its share of the output rows along.
    const int height = inputGradient_ ? in[0]->shape.height : out->shape.height;
    const Partition chunks(context.batch * height, 1, 2 * context.batch * WorkPerImage(), PartialLimit(PartialSize()));
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          float* dWeight = partial_.Begin(chunk);
          if (inputGradient_) {
            const int strip = std::max(1, stripRows_ * spec_.stride.height);
            ForStrips(height, strip, chunks[chunk], [&](int image, int row, int count) {
              BackwardStrip(context.kernels, source, sink, chunk, image, {row, row + count}, dWeight);
            });
          } else {
            ForStrips(height, stripRows_, chunks[chunk], [&](int image, int row, int count) {
              WeightStrip(context.kernels, source, image, {row, row + count}, dWeight);
            });
          }
        },
        context.direction);
    partial_.Reduce(context.kernels, chunks.count(), context.gradients + at_.weight);
  }

  void PrepareInfer(const Kernels& kernels, const InferWeights& weights) override {
    Op::PrepareInfer(kernels, weights);
    PlanPatches();
    inferWeights_ = AlignedFloats(groups_ * PackedSize(kernels, k_, n_));
    PackForward(kernels, weights.weight, inferWeights_);
  }

  void Infer(const InferContext& context) const override {
    const ConvGeometry geometry = Geometry();
    // Where an image has few pixels and many channels, each thread takes all pixels and some of the panels: weights,
    // which are most of what is read then, are read once.
    const int panel = context.kernels.gemmPanel, panels = (n_ + panel - 1) / panel;
    const bool byPanel = groups_ == 1 && context.images * geometry.out.pixels() < 512 && panels >= 8;
    const int rows = context.images * geometry.out.height;
    const Partition chunks(byPanel ? n_ : rows, byPanel ? panel : 1, context.images * WorkPerImage(),
                           byPanel ? 2 * ThreadCount() : kMaxChunks);
    ParallelFor(chunks.count(), [&](int chunk) {
      const Range range = chunks[chunk];
      ForStrips(geometry.out.height, stripRows_, byPanel ? Range{0, rows} : range, [&](int image, int row, int count) {
        const Part part{row, count, byPanel ? range.begin : 0, byPanel ? range.end : n_};
        float* y = context.output + OutputOffset(image, row);
        Strip(context.kernels, context.inputs[0] + image * geometry.in.size(), Affine{}, inferWeights_, InferEpilogue(),
              part, y);
        if (!byPanel) FinishInfer(context.kernels, y, count * geometry.out.width);
      });
    });
    if (byPanel) FinishInfer(context.kernels, context.output, rows * geometry.out.width);
  }

  std::size_t ScratchFloats(const Kernels&) const override {
    const ConvGeometry geometry = Geometry();
    const int outRows = geometry.StripRows(kStripFloats);
    const int inRows = std::min(geometry.in.height, outRows * spec_.stride.height);
    const std::size_t padded = geometry.Tile(0, outRows).size(geometry.in);
    const std::size_t outRow = static_cast<std::size_t>(geometry.out.width) * spec_.outChannels;
    const std::size_t inRow = static_cast<std::size_t>(geometry.in.width) * geometry.in.channels;
    return padded + (outRows + geometry.spanHeight()) * outRow + inRows * (inRow + 4 * geometry.in.width);
  }

  std::int64_t WorkPerImage() const override { return static_cast<std::int64_t>(out->shape.size()) * k_; }

 private:
  // Output rows of an image, and of each group's output channels those from `begin` on (whole panels).
  struct Part {
    int row, count;
    int begin, end;
  };

  ConvGeometry Geometry() const { return {in[0]->shape, out->shape, spec_}; }
  std::size_t WeightsPerGroup() const { return static_cast<std::size_t>(n_) * k_; }
  std::size_t PartialSize() const { return groups_ * WeightsPerGroup() + (at_.bias ? spec_.outChannels : 0); }
  std::size_t OutputOffset(int image, int row) const {
    return image * out->shape.size() + static_cast<std::size_t>(row) * out->shape.width * spec_.outChannels;
  }

  // weight (out, k) to a packed matrix a group.
  void PackForward(const Kernels& kernels, const float* weight, AlignedFloats& packed) const {
    for (int group = 0; group < groups_; ++group) {
      kernels.packColumns(weight + group * WeightsPerGroup(), k_, k_, n_,
                          packed.data() + group * PackedSize(kernels, k_, n_));
    }
  }

  // Where the patches of a strip's pixels begin in its padded input, and where their pieces do: a kernel row where its
  // pixels lie side by side, else one pixel's channels.
  void PlanPatches() {
    const ConvGeometry geometry = Geometry();
    const std::ptrdiff_t channels = geometry.in.channels, tileRow = geometry.paddedWidth() * channels;
    stripRows_ = geometry.StripRows(kStripFloats);
    patches_.clear();
    for (int row = 0; row < stripRows_; ++row) {
      for (int column = 0; column < geometry.out.width; ++column) {
        patches_.push_back(row * spec_.stride.height * tileRow + column * spec_.stride.width * channels);
      }
    }
    const bool joined = groups_ == 1 && spec_.dilation.width == 1;
    pieces_.clear();
    for (int ky = 0; ky < spec_.kernel.height; ++ky) {
      for (int kx = 0; kx < (joined ? 1 : spec_.kernel.width); ++kx) {
        pieces_.push_back(ky * spec_.dilation.height * tileRow + kx * spec_.dilation.width * channels);
      }
    }
  }

  // y (count, width, out) = affine(conv(input(image))), or the part of its channels.
  void Strip(const Kernels& kernels, const float* image, const Affine& input, const AlignedFloats& weights,
             const Affine& affine, const Part& part, float* y) const {
    const ConvGeometry geometry = Geometry();
    const PaddedTile tile = geometry.Tile(part.row, part.count);
    Scratch scratch{tile.size(geometry.in)};
    float* padded = scratch.Next();
    LoadPadded(kernels, image, geometry.in, input, tile, padded);
    GemmArgs gemm;
    gemm.m = part.count * geometry.out.width;
    gemm.n = part.end - part.begin;
    gemm.k = k_;
    gemm.aRows = patches_.data();
    gemm.aRuns = pieces_.data();
    gemm.runs = static_cast<int>(pieces_.size());
    gemm.ldc = spec_.outChannels;
    gemm.epilogue = affine.identity() ? Epilogue::kStore : Epilogue::kAffine;
    for (int group = 0; group < groups_; ++group) {
      const int channel = group * n_ + part.begin;
      gemm.a = padded + group * groupIn_;
      gemm.b = weights.data() + group * PackedSize(kernels, k_, n_) + static_cast<std::ptrdiff_t>(part.begin) * k_;
      gemm.c = y + channel;
      gemm.affine = affine;
      if (affine.scale) gemm.affine.scale += channel;
      if (affine.shift) gemm.affine.shift += channel;
      kernels.gemm(gemm);
    }
  }

  // The gradients of input rows `rows` of an image, and of the weights from its share of the output rows.
  void BackwardStrip(const Kernels& kernels, const GradientSource& source, const GradientSink& sink, int chunk,
                     int image, Range rows, float* dWeight) const {
    const ConvGeometry geometry = Geometry();
    const Shape &x = geometry.in, &y = geometry.out;
    const auto share = [&](int row) { return static_cast<int>(static_cast<std::int64_t>(y.height) * row / x.height); };
    const Range own{share(rows.begin), share(rows.end)};
    const InputGradient::Tile tile = inputGradient_->TileOf(rows.begin, rows.end, own);
    const std::size_t rowFloats = static_cast<std::size_t>(x.width) * x.channels;
    Scratch scratch{tile.size(y.channels), geometry.Tile(0, std::max(1, own.size())).size(x),
                    inputGradient_->OffsetFloats(rows.size()), rows.size() * rowFloats};
    float* dy = scratch.Next();
    float* padded = scratch.Next();
    float* offsets = scratch.Next();
    float* dx = scratch.Next();
    inputGradient_->LoadTile(source, image * y.pixels(), tile, dy);
    for (int begin = own.begin; begin < own.end; begin += stripRows_) {
      const Range some{begin, std::min(own.end, begin + stripRows_)};
      AddWeightGradient(kernels, image, some, dy + tile.At(begin, 0) * y.channels, tile.columns, padded, dWeight);
    }
    inputGradient_->Run(kernels, tile, dy, rows.begin, rows.end, offsets, dx);
    sink.Add(chunk, image * x.pixels() + static_cast<std::size_t>(rows.begin) * x.width, rows.size() * x.width, dx);
  }

  // The weights' gradient alone, from output rows `rows`.
  void WeightStrip(const Kernels& kernels, const GradientSource& source, int image, Range rows, float* dWeight) const {
    const ConvGeometry geometry = Geometry();
    const int width = geometry.out.width;
    Scratch scratch{geometry.Tile(0, rows.size()).size(geometry.in),
                    static_cast<std::size_t>(rows.size()) * width * spec_.outChannels};
    float* padded = scratch.Next();
    const std::size_t first = image * geometry.out.pixels() + static_cast<std::size_t>(rows.begin) * width;
    const float* dy = source.Load(first, rows.size() * width, scratch.Next());
    AddWeightGradient(kernels, image, rows, dy, width, padded, dWeight);
  }

  // Adds to dWeight (out, kernel * kernel * in), then dBias (out), what output rows `rows` give. Their gradient begins
  // at dy, a row every `columns` pixels; `padded` is working memory for the input.
  void AddWeightGradient(const Kernels& kernels, int image, Range rows, const float* dy, int columns, float* padded,
                         float* dWeight) const {
    const ConvGeometry geometry = Geometry();
    const int width = geometry.out.width;
    LoadPadded(kernels, in[0]->y + image * geometry.in.size(), geometry.in, in[0]->affine(),
               geometry.Tile(rows.begin, rows.size()), padded);
    GemmArgs gemm;
    gemm.m = n_;
    gemm.n = k_ / static_cast<int>(pieces_.size());
    gemm.transposedA = true;
    gemm.lda = spec_.outChannels;
    gemm.ldc = k_;
    gemm.epilogue = Epilogue::kAccumulate;
    // Rows of dy that lie behind each other are one product.
    const int lines = columns == width ? rows.size() : 1;
    gemm.k = lines * width;
    for (int line = 0; line < rows.size(); line += lines) {
      gemm.bRows = patches_.data() + static_cast<std::ptrdiff_t>(line) * width;
      const float* from = dy + static_cast<std::ptrdiff_t>(line) * columns * spec_.outChannels;
      for (int group = 0; group < groups_; ++group) {
        gemm.a = from + group * n_;
        for (std::size_t piece = 0; piece < pieces_.size(); ++piece) {
          gemm.b = padded + pieces_[piece] + group * groupIn_;
          gemm.c = dWeight + group * WeightsPerGroup() + piece * gemm.n;
          kernels.gemm(gemm);
        }
      }
      if (at_.bias) kernels.columnSum(from, gemm.k, spec_.outChannels, dWeight + groups_ * WeightsPerGroup());
    }
  }

  OpSpec spec_;
  int groups_, groupIn_;
  int k_, n_;  // of one group's matrix: patch, output channels
  WeightParameters at_;
  int stripRows_ = 1;  // output rows at once
  std::vector<std::ptrdiff_t> patches_, pieces_;
  AlignedFloats forwardWeights_, inferWeights_;  // packed
  std::optional<InputGradient> inputGradient_;   // where it is wanted
  PartialSums partial_;                          // dWeight, dBias
};

}  // namespace

std::unique_ptr<Op> MakeDense(const OpSpec& spec, WeightParameters parameters) {
  return std::make_unique<Dense>(spec, parameters);
}

}  // namespace lathe
