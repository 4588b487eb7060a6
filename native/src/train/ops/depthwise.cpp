// Convolution of each channel by itself, with any kernel, stride, padding and dilation.
#include <algorithm>

#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"
#include "train/ops/partial_sums.h"
#include "train/ops/strips.h"

namespace lathe {
namespace {

// Floats of a strip of the input, 128 KiB: with the output's a good half of a second-level cache.
constexpr int kStripFloats = 32768;

// Of an output that is written past the caches: larger than a core's share of them.
constexpr std::size_t kStreamedFloats = std::size_t{2} << 20;

// Some rows of one image as they are read, and where each kernel row finds its own.
class Rows {
 public:
  // data: row `first` and those behind it, `floats` each.
  Rows(const float* data, int first, std::size_t floats) : data_(data), first_(first), floats_(floats) {}
  const float* at(int row) const { return data_ + static_cast<std::ptrdiff_t>(row - first_) * floats_; }

 private:
  const float* data_;
  int first_;
  std::size_t floats_;
};

std::size_t PointerFloats(std::size_t count) { return count * sizeof(const float*) / sizeof(float); }

class DepthwiseOp final : public Op {
 public:
  DepthwiseOp(const OpSpec& spec, WeightParameters parameters)
      : spec_(spec), channels_(spec.outChannels), taps_(spec.kernel.height * spec.kernel.width), at_(parameters) {
    bias_ = AlignedFloats(ChannelVectorSize(channels_));
  }

  void Plan(const Kernels& kernels, int) override {
    for (AlignedFloats* w : {&weights_, &flipped_}) *w = AlignedFloats(PackedFloats(kernels));
    partial_.Resize(PartialSize(kernels), kMaxChunks);
  }

  void PackForTraining(const TrainContext& context) override {
    const float* weight = context.parameters + at_.weight;  // (channels, kernel, kernel)
    Pack(context.kernels, weight, false, weights_);
    Pack(context.kernels, weight, true, flipped_);
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
    const bool stream = !out->norm && out->shape.size() * context.batch >= kStreamedFloats;
    BeginNorm(chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          ForStrips(geometry.out.height, StripRows(), chunks[chunk], [&](int image, int row, int count) {
            float* y = out->y + OutputOffset(image, row);
            Strip(context.kernels, in[0]->y + image * geometry.in.size(), in[0]->affine(), weights_, affine, row, count,
                  y, stream);
            AddToNorm(context, chunk, y, count * geometry.out.width);
          });
        },
        context.direction);
    FinishNorm(context, chunks.count());
  }

  void Backward(const TrainContext& context) override {
    const int height = in[0]->shape.height;
    const Partition chunks(context.batch * height, 1, 3 * context.batch * WorkPerImage());
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    const int strip = StripRows() * spec_.stride.height;
    const bool large = in[0]->shape.size() * context.batch >= kStreamedFloats;
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          float* dWeight = partial_.Begin(chunk);
          ForStrips(height, strip, chunks[chunk], [&](int image, int row, int count) {
            BackwardStrip(context.kernels, source, sink, chunk, image, {row, row + count}, large, dWeight);
          });
        },
        context.direction);
    ReduceGradients(context, chunks.count());
  }

  void PrepareInfer(const Kernels& kernels, const InferWeights& weights) override {
    Op::PrepareInfer(kernels, weights);
    inferWeights_ = AlignedFloats(PackedFloats(kernels));
    Pack(kernels, weights.weight, false, inferWeights_);
  }

  void Infer(const InferContext& context) const override {
    const ConvGeometry geometry = Geometry();
    const Partition chunks(context.images * geometry.out.height, 1, context.images * WorkPerImage());
    const bool stream = InEpilogue(inferAffine_.activation) && out->shape.size() * context.images >= kStreamedFloats;
    ParallelFor(chunks.count(), [&](int chunk) {
      ForStrips(geometry.out.height, geometry.out.height, chunks[chunk], [&](int image, int row, int count) {
        float* y = context.output + OutputOffset(image, row);
        Strip(context.kernels, context.inputs[0] + image * geometry.in.size(), Affine{}, inferWeights_, InferEpilogue(),
              row, count, y, stream);
        FinishInfer(context.kernels, y, count * geometry.out.width);
      });
    });
  }

  std::size_t ScratchFloats(const Kernels&) const override {
    const ConvGeometry geometry = Geometry();
    const int rows = std::min(geometry.in.height, StripRows() * spec_.stride.height + geometry.spanHeight());
    return static_cast<std::size_t>(rows) * (2 * geometry.in.width + geometry.out.width) * channels_;
  }

  // Loads bound it, not multiply-adds: counted double.
  std::int64_t WorkPerImage() const override { return static_cast<std::int64_t>(out->shape.size()) * taps_ * 2; }

 private:
  ConvGeometry Geometry() const { return {in[0]->shape, out->shape, spec_}; }
  // dWeight, packed as the weights are, then dBias.
  std::size_t PartialSize(const Kernels& kernels) const { return PackedFloats(kernels) + (at_.bias ? channels_ : 0); }
  std::size_t OutputOffset(int image, int row) const {
    return image * out->shape.size() + static_cast<std::size_t>(row) * out->shape.width * channels_;
  }

  std::size_t PackedFloats(const Kernels& kernels) const {
    const int vectors = (channels_ + kernels.width - 1) / kernels.width;
    return static_cast<std::size_t>(vectors) * kernels.width * taps_;
  }

  // (channels, taps) to (vectors, taps, width); flipped: the taps in reverse order.
  void Pack(const Kernels& kernels, const float* weight, bool flip, AlignedFloats& packed) const {
    const int width = kernels.width;
    for (int c = 0; c < channels_; ++c) {
      float* to = packed.data() + static_cast<std::ptrdiff_t>(c / width) * taps_ * width + c % width;
      for (int tap = 0; tap < taps_; ++tap) to[tap * width] = weight[c * taps_ + (flip ? taps_ - 1 - tap : tap)];
    }
  }

  int StripRows() const { return Geometry().StripRows(kStripFloats); }

  DepthwiseGeometry KernelGeometry(int rows) const {
    DepthwiseGeometry geometry;
    geometry.outRows = rows;
    geometry.outWidth = out->shape.width;
    geometry.inWidth = in[0]->shape.width;
    geometry.channels = channels_;
    geometry.kernelHeight = spec_.kernel.height;
    geometry.kernelWidth = spec_.kernel.width;
    geometry.stride = spec_.stride.width;
    geometry.dilation = spec_.dilation.width;
    geometry.left = spec_.padding.left;
    return geometry;
  }

  // Input rows that output rows [begin, end) read, those outside the image left out.
  Range InputRows(int begin, int end) const {
    const ConvGeometry geometry = Geometry();
    const int first = begin * spec_.stride.height - spec_.padding.top;
    const int last = (end - 1) * spec_.stride.height - spec_.padding.top + geometry.spanHeight();
    const int from = std::clamp(first, 0, geometry.in.height);
    return {from, std::max(from, std::min(last, geometry.in.height))};
  }

  // Input rows as their readers see them; where nothing has to be applied, where they lie.
  Rows LoadRows(const Kernels& kernels, const float* image, const Affine& affine, Range rows, float* buffer) const {
    const std::size_t floats = static_cast<std::size_t>(in[0]->shape.width) * channels_;
    const float* from = image + rows.begin * floats;
    if (affine.identity()) return {from, rows.begin, floats};
    kernels.affine(buffer, from, rows.size() * in[0]->shape.width, channels_, affine);
    return {buffer, rows.begin, floats};
  }

  // The input row under each kernel row of output rows [begin, end).
  void PointToInput(const Rows& x, int begin, int end, const float** pointers) const {
    for (int row = begin; row < end; ++row) {
      for (int k = 0; k < spec_.kernel.height; ++k) {
        const int at = row * spec_.stride.height - spec_.padding.top + k * spec_.dilation.height;
        *pointers++ = at < 0 || at >= in[0]->shape.height ? nullptr : x.at(at);
      }
    }
  }

  // The output row that reads `row` of the input at kernel row k; -1: none.
  int Reader(int row, int k) const {
    const int position = row + spec_.padding.top - k * spec_.dilation.height;
    if (position < 0 || position % spec_.stride.height != 0) return -1;
    return position / spec_.stride.height < out->shape.height ? position / spec_.stride.height : -1;
  }

  void Strip(const Kernels& kernels, const float* image, const Affine& input, const AlignedFloats& weights,
             const Affine& affine, int row, int count, float* y, bool stream) const {
    const Range rows = InputRows(row, row + count);
    const std::size_t copied = input.identity() ? 0 : static_cast<std::size_t>(rows.size()) * in[0]->shape.width;
    Scratch scratch{copied * channels_, PointerFloats(static_cast<std::size_t>(count) * spec_.kernel.height)};
    const Rows x = LoadRows(kernels, image, input, rows, scratch.Next());
    auto** pointers = reinterpret_cast<const float**>(scratch.Next());
    PointToInput(x, row, row + count, pointers);
    DepthwiseArgs args;
    args.geometry = KernelGeometry(count);
    args.rows = pointers;
    args.weight = weights.data();
    args.y = y;
    args.affine = affine;
    args.stream = stream;
    kernels.depthwise(args);
  }

  // The gradients of input rows `rows` of an image, and of the weights from its share of the output rows.
  void BackwardStrip(const Kernels& kernels, const GradientSource& source, const GradientSink& sink, int chunk,
                     int image, Range rows, bool large, float* dWeight) const {
    const Shape &x = in[0]->shape, &y = out->shape;
    const auto share = [&](int row) { return static_cast<int>(static_cast<std::int64_t>(y.height) * row / x.height); };
    const Range own{share(rows.begin), share(rows.end)};
    Range needed = own;
    for (int row = rows.begin; row < rows.end && sink.wanted(); ++row) {
      for (int k = 0; k < spec_.kernel.height; ++k) {
        const int reader = Reader(row, k);
        if (reader < 0) continue;
        needed = needed.size() == 0 ? Range{reader, reader + 1}
                                    : Range{std::min(needed.begin, reader), std::max(needed.end, reader + 1)};
      }
    }
    const Range read = own.size() > 0 ? InputRows(own.begin, own.end) : Range{};
    const std::size_t xRow = static_cast<std::size_t>(x.width) * channels_;
    const std::size_t yRow = static_cast<std::size_t>(y.width) * channels_;
    const int most = std::max(rows.size(), own.size());
    Scratch scratch{needed.size() * yRow, read.size() * xRow,
                    PointerFloats(static_cast<std::size_t>(most) * spec_.kernel.height), rows.size() * xRow};
    float* dyBuffer = scratch.Next();
    float* xBuffer = scratch.Next();
    auto** pointers = reinterpret_cast<const float**>(scratch.Next());
    float* dx = scratch.Next();
    const std::size_t first = image * y.pixels() + static_cast<std::size_t>(needed.begin) * y.width;
    const Rows dy(source.Load(first, needed.size() * y.width, dyBuffer), needed.begin, yRow);
    if (own.size() > 0) {
      PointToInput(LoadRows(kernels, in[0]->y + image * x.size(), in[0]->affine(), read, xBuffer), own.begin, own.end,
                   pointers);
      AddWeightGradient(kernels, own.size(), pointers, dy.at(own.begin), dWeight);
    }
    if (!sink.wanted()) return;
    const std::size_t pixel = image * x.pixels() + static_cast<std::size_t>(rows.begin) * x.width;
    float* direct = sink.Direct(pixel);
    InputGradientRows(kernels, dy, rows, pointers, direct ? direct : dx, direct && large);
    if (!direct) sink.Add(chunk, pixel, rows.size() * x.width, dx);
  }

  // dx (rows, width, channels) from the output rows that read them.
  void InputGradientRows(const Kernels& kernels, const Rows& dy, Range rows, const float** pointers, float* dx,
                         bool stream) const {
    const int height = spec_.kernel.height;
    const bool flips = spec_.stride.width == 1;  // then it is a convolution of dy with the flipped kernel
    for (int row = rows.begin; row < rows.end; ++row) {
      for (int k = 0; k < height; ++k) {
        const int reader = Reader(row, k);
        pointers[(row - rows.begin) * height + (flips ? height - 1 - k : k)] = reader < 0 ? nullptr : dy.at(reader);
      }
    }
    const DepthwiseGeometry geometry = KernelGeometry(rows.size());
    if (flips) {
      DepthwiseArgs args;
      args.geometry = geometry;
      args.geometry.outWidth = geometry.inWidth;
      args.geometry.inWidth = geometry.outWidth;
      args.geometry.left = (geometry.kernelWidth - 1) * geometry.dilation - geometry.left;
      args.rows = pointers;
      args.weight = flipped_.data();
      args.y = dx;
      args.stream = stream;
      kernels.depthwise(args);
    } else {
      kernels.depthwiseData({geometry, pointers, weights_.data(), dx});
    }
  }

  // dWeight (taps, channels), then dBias (channels), from `rows` output rows.
  void AddWeightGradient(const Kernels& kernels, int rows, const float* const* pointers, const float* dy,
                         float* dWeight) const {
    kernels.depthwiseWeights({KernelGeometry(rows), pointers, dy, dWeight});
    if (!at_.bias) return;
    kernels.columnSum(dy, rows * out->shape.width, channels_, dWeight + PackedFloats(kernels));
  }

  void ReduceGradients(const TrainContext& context, int chunks) {
    float* total = partial_.Of(0);
    const std::size_t size = PartialSize(context.kernels);
    const int width = context.kernels.width;
    for (int chunk = 1; chunk < chunks; ++chunk) context.kernels.add(total, total, partial_.Of(chunk), size);
    float* dWeight = context.gradients + at_.weight;  // (channels, taps)
    for (int c = 0; c < channels_; ++c) {
      const float* own = total + static_cast<std::ptrdiff_t>(c / width) * taps_ * width + c % width;
      for (int tap = 0; tap < taps_; ++tap) dWeight[c * taps_ + tap] = own[tap * width];
    }
    if (at_.bias) std::copy_n(total + PackedFloats(context.kernels), channels_, context.gradients + *at_.bias);
  }

  OpSpec spec_;
  int channels_, taps_;
  WeightParameters at_;
  AlignedFloats weights_, flipped_, inferWeights_;  // packed
  AlignedFloats bias_;                              // (channels), periodic
  PartialSums partial_;                             // dWeight, dBias
};

}  // namespace

std::unique_ptr<Op> MakeDepthwise(const OpSpec& spec, WeightParameters parameters) {
  return std::make_unique<DepthwiseOp>(spec, parameters);
}

}  // namespace lathe
