// Convolution of each channel by itself.
#include <algorithm>

#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"
#include "train/ops/partial_sums.h"
#include "train/ops/strips.h"

namespace lathe {
namespace {

class DepthwiseOp final : public Op {
 public:
  DepthwiseOp(const OpSpec& spec, WeightParameters parameters)
      : spec_(spec),
        channels_(spec.outChannels),
        plain_(spec.kernel.square() && spec.stride.square() && spec.dilation == Pair{1, 1}),
        taps_(spec.kernel.height * spec.kernel.width),
        at_(parameters) {
    const std::size_t size = static_cast<std::size_t>(taps_) * ChannelVectorSize(channels_);
    for (AlignedFloats* w : {&weights_, &flipped_, &inferWeights_}) *w = AlignedFloats(size);
    bias_ = AlignedFloats(ChannelVectorSize(channels_));
  }

  void Plan(const Kernels&, int) override { partial_.Resize(PartialSize(), kMaxChunks); }

  void PackForTraining(const TrainContext& context) override {
    const float* weight = context.parameters + at_.weight;  // (channels, kernel, kernel)
    Pack(weight, false, weights_);
    Pack(weight, true, flipped_);
    if (at_.bias) {
      std::copy_n(context.parameters + *at_.bias, channels_, bias_.data());
      MakePeriodic(bias_.data(), channels_);
    }
  }

  void Forward(const TrainContext& context) override {
    const ConvGeometry geometry = Geometry();
    const Partition chunks(context.batch * geometry.out.height, 1, context.batch * WorkPerImage());
    Affine affine;
    if (at_.bias) affine.shift = bias_.data();
    BeginNorm(chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          ForStrips(geometry, chunks[chunk], [&](int image, int row, int count) {
            float* y = out->y + OutputOffset(image, row);
            Strip(context.kernels, in[0]->y + image * geometry.in.size(), in[0]->affine(), weights_, affine, row, count,
                  y);
            AddToNorm(context, chunk, y, count * geometry.out.width);
          });
        },
        context.direction);
    FinishNorm(context, chunks.count());
  }

  void Backward(const TrainContext& context) override {
    const Partition chunks(context.batch, 1, 3 * context.batch * WorkPerImage());
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          float* dWeight = partial_.Begin(chunk);
          plain_ ? BackwardImages(context.kernels, source, sink, chunk, chunks[chunk], dWeight)
                 : BackwardAny(context.kernels, source, sink, chunk, chunks[chunk], dWeight);
        },
        context.direction);
    ReduceGradients(context, chunks.count());
  }

  void PrepareInfer(const Kernels& kernels, const InferWeights& weights) override {
    Op::PrepareInfer(kernels, weights);
    Pack(weights.weight, false, inferWeights_);
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

  std::size_t ScratchFloats(const Kernels&) const override {
    const ConvGeometry geometry = Geometry();
    const Grid grid = SpreadGrid();
    const std::size_t whole = geometry.Whole().size(geometry.in);
    const std::size_t spread = static_cast<std::size_t>(grid.rows) * grid.width * channels_;
    return whole + std::max(whole, spread) + geometry.in.size() + geometry.out.size();
  }

  // Loads bound it, not multiply-adds: counted double.
  std::int64_t WorkPerImage() const override { return static_cast<std::int64_t>(out->shape.size()) * taps_ * 2; }

 private:
  ConvGeometry Geometry() const { return {in[0]->shape, out->shape, spec_}; }
  std::size_t PartialSize() const { return static_cast<std::size_t>(taps_) * channels_ + (at_.bias ? channels_ : 0); }
  std::size_t OutputOffset(int image, int row) const {
    return image * out->shape.size() + static_cast<std::size_t>(row) * out->shape.width * channels_;
  }

  // (channels, taps) to (taps, channels), periodic; flipped: the taps in reverse order.
  void Pack(const float* weight, bool flip, AlignedFloats& packed) const {
    for (int tap = 0; tap < taps_; ++tap) {
      float* to = packed.data() + static_cast<std::ptrdiff_t>(tap) * ChannelVectorSize(channels_);
      const float* from = weight + (flip ? taps_ - 1 - tap : tap);
      for (int c = 0; c < channels_; ++c) to[c] = from[static_cast<std::ptrdiff_t>(c) * taps_];
      MakePeriodic(to, channels_);
    }
  }

  void Strip(const Kernels& kernels, const float* image, const Affine& input, const AlignedFloats& weights,
             const Affine& affine, int row, int count, float* y) const {
    const ConvGeometry geometry = Geometry();
    const PaddedTile tile = geometry.Tile(row, count);
    Scratch scratch{tile.size(geometry.in)};
    float* padded = scratch.Next();
    LoadPadded(kernels, image, geometry.in, input, tile, padded);
    if (!plain_) {
      DepthwiseAnyArgs args = AnyArgs(count, weights);
      args.x = padded;
      args.y = y;
      kernels.depthwiseAny(args);
      if (!affine.identity()) kernels.affine(y, y, count * geometry.out.width, channels_, affine);
      return;
    }
    DepthwiseArgs args;
    args.outRows = count;
    args.outWidth = geometry.out.width;
    args.inWidth = geometry.paddedWidth();
    args.channels = channels_;
    args.kernel = spec_.kernel.height;
    args.stride = spec_.stride.height;
    args.x = padded;
    args.weight = weights.data();
    args.y = y;
    args.affine = affine;
    kernels.depthwise(args);
  }

  DepthwiseAnyArgs AnyArgs(int rows, const AlignedFloats& weights) const {
    DepthwiseAnyArgs args;
    args.outRows = rows;
    args.outWidth = out->shape.width;
    args.inWidth = Geometry().paddedWidth();
    args.channels = channels_;
    args.kernelHeight = spec_.kernel.height;
    args.kernelWidth = spec_.kernel.width;
    args.strideHeight = spec_.stride.height;
    args.strideWidth = spec_.stride.width;
    args.dilationHeight = spec_.dilation.height;
    args.dilationWidth = spec_.dilation.width;
    args.weight = weights.data();
    return args;
  }

  // With any window: both gradients at once, onto the padded image.
  void BackwardAny(const Kernels& kernels, const GradientSource& source, const GradientSink& sink, int chunk,
                   Range images, float* dWeight) const {
    const ConvGeometry geometry = Geometry();
    const PaddedTile whole = geometry.Whole();
    const std::size_t size = whole.size(geometry.in);
    Scratch scratch{size, size, geometry.out.size(), geometry.in.size()};
    float* padded = scratch.Next();
    float* dxPadded = scratch.Next();
    float* buffer = scratch.Next();
    float* dx = scratch.Next();
    const std::size_t row = static_cast<std::size_t>(geometry.in.width) * channels_;
    for (int image = images.begin; image < images.end; ++image) {
      LoadPadded(kernels, in[0]->y + image * geometry.in.size(), geometry.in, in[0]->affine(), whole, padded);
      const int pixels = static_cast<int>(geometry.out.pixels());
      const float* dy = source.Load(image * geometry.out.pixels(), pixels, buffer);
      DepthwiseAnyArgs args = AnyArgs(geometry.out.height, weights_);
      args.x = padded;
      args.dy = dy;
      args.dx = sink.wanted() ? dxPadded : nullptr;
      args.dWeight = dWeight;
      std::fill_n(dxPadded, size, 0.0f);
      kernels.depthwiseAnyBackward(args);
      if (at_.bias) kernels.columnSum(dy, pixels, channels_, dWeight + static_cast<std::ptrdiff_t>(taps_) * channels_);
      if (!sink.wanted()) continue;
      for (int y = 0; y < geometry.in.height; ++y) {
        const std::size_t from =
            static_cast<std::size_t>(y + spec_.padding.top) * geometry.paddedWidth() + spec_.padding.left;
        std::copy_n(dxPadded + from * channels_, row, dx + y * row);
      }
      sink.Add(chunk, image * geometry.in.pixels(), static_cast<int>(geometry.in.pixels()), dx);
    }
  }

  // The output gradient on the input's grid: dy with stride - 1 zeros between its pixels, and zeros around, so that the
  // input's gradient is a plain stride-1 convolution of it with the flipped kernel.
  struct Grid {
    int rows, width;
    int top, left;  // zeros before the first pixel; negative: pixels that are cut off
  };
  Grid SpreadGrid() const {
    const Shape& x = in[0]->shape;
    const int reach = spec_.kernel.height - 1;
    return {x.height + reach, x.width + reach, reach - spec_.padding.top, reach - spec_.padding.left};
  }

  // Whether a stride-1 output lies inside the grid as a whole.
  bool Holds(const Grid& grid) const {
    const Shape& y = out->shape;
    return grid.top >= 0 && grid.left >= 0 && grid.top + y.height <= grid.rows && grid.left + y.width <= grid.width;
  }

  // An image's output gradient, where it lies.
  struct OutputGradient {
    const float* data;
    std::ptrdiff_t row, pixel;  // floats between rows, between pixels
  };

  // Puts an image's output gradient onto the grid, whose zeros are already there. With stride 1 it is computed in place
  // and can be read from there; else it is computed into `buffer` first.
  OutputGradient LoadSpread(const GradientSource& source, int image, const Grid& grid, float* buffer,
                            float* spread) const {
    const Shape& y = out->shape;
    const std::ptrdiff_t rowFloats = static_cast<std::ptrdiff_t>(y.width) * channels_;
    const std::ptrdiff_t gridRow = static_cast<std::ptrdiff_t>(grid.width) * channels_;
    const std::size_t first = image * y.pixels();
    if (spec_.stride.height == 1 && Holds(grid)) {
      float* inner = spread + grid.top * gridRow + static_cast<std::ptrdiff_t>(grid.left) * channels_;
      for (int oy = 0; oy < y.height; ++oy) {
        float* to = inner + oy * gridRow;
        const float* dy = source.Load(first + static_cast<std::size_t>(oy) * y.width, y.width, to);
        if (dy != to) std::copy_n(dy, rowFloats, to);
      }
      return {inner, gridRow, channels_};
    }
    const float* dy = source.Load(first, static_cast<int>(y.pixels()), buffer);
    for (int oy = 0; oy < y.height; ++oy) {
      const int row = grid.top + oy * spec_.stride.height;
      if (row < 0 || row >= grid.rows) continue;
      for (int ox = 0; ox < y.width; ++ox) {
        const int column = grid.left + ox * spec_.stride.width;
        if (column < 0 || column >= grid.width) continue;
        std::copy_n(dy + oy * rowFloats + static_cast<std::ptrdiff_t>(ox) * channels_, channels_,
                    spread + row * gridRow + static_cast<std::ptrdiff_t>(column) * channels_);
      }
    }
    return {dy, rowFloats, channels_};
  }

  void BackwardImages(const Kernels& kernels, const GradientSource& source, const GradientSink& sink, int chunk,
                      Range images, float* dWeight) const {
    const ConvGeometry geometry = Geometry();
    const Grid grid = SpreadGrid();
    const PaddedTile whole = geometry.Tile(0, geometry.out.height);
    const std::size_t gridSize = static_cast<std::size_t>(grid.rows) * grid.width * channels_;
    Scratch scratch{whole.size(geometry.in), geometry.out.size(), gridSize, geometry.in.size()};
    float* padded = scratch.Next();
    float* buffer = scratch.Next();
    float* spread = scratch.Next();
    float* dx = scratch.Next();
    // What is zero in one image is zero in all of them.
    std::fill_n(padded, whole.size(geometry.in), 0.0f);
    std::fill_n(spread, gridSize, 0.0f);
    for (int image = images.begin; image < images.end; ++image) {
      LoadInside(kernels, in[0]->y + image * geometry.in.size(), geometry.in, in[0]->affine(), whole, padded);
      const OutputGradient dy = LoadSpread(source, image, grid, buffer, spread);
      AddWeightGradient(kernels, padded, dy, dWeight);
      if (!sink.wanted()) continue;
      DepthwiseArgs args;
      args.outRows = geometry.in.height;
      args.outWidth = geometry.in.width;
      args.inWidth = grid.width;
      args.channels = channels_;
      args.kernel = spec_.kernel.height;
      args.stride = 1;
      args.x = spread;
      args.weight = flipped_.data();
      args.y = dx;
      kernels.depthwise(args);
      sink.Add(chunk, image * geometry.in.pixels(), static_cast<int>(geometry.in.pixels()), dx);
    }
  }

  // dWeight (taps, channels), then dBias (channels).
  void AddWeightGradient(const Kernels& kernels, const float* padded, const OutputGradient& dy, float* dWeight) const {
    const ConvGeometry geometry = Geometry();
    DepthwiseWeightsArgs args;
    args.outRows = geometry.out.height;
    args.outWidth = geometry.out.width;
    args.inWidth = geometry.paddedWidth();
    args.channels = channels_;
    args.kernel = spec_.kernel.height;
    args.stride = spec_.stride.height;
    args.x = padded;
    args.dy = dy.data;
    args.dyRow = dy.row;
    args.dyPixel = dy.pixel;
    args.dWeight = dWeight;
    kernels.depthwiseWeights(args);
    if (!at_.bias) return;
    for (int oy = 0; oy < geometry.out.height; ++oy) {
      kernels.columnSum(dy.data + oy * dy.row, geometry.out.width, channels_,
                        dWeight + static_cast<std::ptrdiff_t>(taps_) * channels_);
    }
  }

  void ReduceGradients(const TrainContext& context, int chunks) {
    float* total = partial_.Of(0);
    for (int chunk = 1; chunk < chunks; ++chunk) context.kernels.add(total, total, partial_.Of(chunk), PartialSize());
    float* dWeight = context.gradients + at_.weight;  // (channels, taps)
    for (int c = 0; c < channels_; ++c) {
      for (int tap = 0; tap < taps_; ++tap) dWeight[c * taps_ + tap] = total[tap * channels_ + c];
    }
    if (at_.bias) std::copy_n(total + taps_ * channels_, channels_, context.gradients + *at_.bias);
  }

  OpSpec spec_;
  int channels_;
  bool plain_;  // square and without gaps: what the fast kernels take
  int taps_;
  WeightParameters at_;
  AlignedFloats weights_, flipped_, inferWeights_, bias_;  // (taps, channels), periodic; (channels), periodic
  PartialSums partial_;                                    // dWeight, dBias
};

}  // namespace

std::unique_ptr<Op> MakeDepthwise(const OpSpec& spec, WeightParameters parameters) {
  return std::make_unique<DepthwiseOp>(spec, parameters);
}

}  // namespace lathe
