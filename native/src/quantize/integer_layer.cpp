#include "quantize/integer_layer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/scratch.h"
#include "core/thread_pool.h"

namespace lathe {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::size_t kBlockBytes = 64 * 1024;  // of prepared activations, and of sums
constexpr int kTileCodes = 16 * 1024;           // half of a first-level cache

// Floats that hold so many bytes: scratch memory is counted in floats.
std::size_t FloatsFor(std::size_t bytes) { return (bytes + sizeof(float) - 1) / sizeof(float); }

std::uint8_t* Bytes(float* memory) { return reinterpret_cast<std::uint8_t*>(memory); }
std::int32_t* Sums(float* memory) { return reinterpret_cast<std::int32_t*>(memory); }

// Rows of one image with zeros around, as codes: the code of zero is zero.
void LoadPaddedCodes(const std::uint8_t* image, const Shape& shape, const PaddedTile& tile, std::uint8_t* out) {
  const std::size_t rowCodes = static_cast<std::size_t>(tile.width(shape)) * shape.channels;
  const std::size_t imageRow = static_cast<std::size_t>(shape.width) * shape.channels;
  const std::size_t left = static_cast<std::size_t>(tile.left) * shape.channels;
  for (int r = 0; r < tile.rows; ++r, out += rowCodes) {
    const int row = tile.firstRow + r;
    if (row < 0 || row >= shape.height) {
      std::memset(out, 0, rowCodes);
      continue;
    }
    std::memset(out, 0, left);
    std::memcpy(out + left, image + row * imageRow, imageRow);
    std::memset(out + left + imageRow, 0, rowCodes - left - imageRow);
  }
}

}  // namespace

CodeArgs CodeOf(const Quantizer& quantizer) {
  CodeArgs code;
  code.scale = QuantizerScale(quantizer);
  code.sign = IsSign(quantizer);
  code.high = static_cast<float>(LargestCode(quantizer));
  code.low = quantizer.isSigned ? -code.high : 0.0f;
  return code;
}

IntegerLayer::IntegerLayer(const OpSpec& spec, const Op& op, const OpQuantizer& quantizer, const float* weights,
                           const Kernels& floatKernels, const IntegerKernels& kernels)
    : kernels_(kernels), geometry_(op.in[0]->shape, op.out->shape, spec) {
  if (quantizer.codebook) {
    throw std::invalid_argument(
        "operator '" + spec.name +
        "': its weights are a k-means codebook, which has no integer form; use linear weights or "
        "the arithmetic 'fake'");
  }
  const bool linear = spec.kind == OpKind::kLinear;
  groups_ = linear ? 1 : spec.groups;
  n_ = spec.outChannels;
  k_ = linear ? spec.inChannels : spec.kernel.height * spec.kernel.width * (spec.inChannels / groups_);
  depthwise_ = spec.depthwise();
  const Pair one{1, 1};
  rowwise_ = linear || (groups_ == 1 && spec.kernel == one && spec.stride == one && spec.padding == Padding{});
  rowsPerImage_ = linear ? 1 : static_cast<int>(op.out->shape.pixels());
  signed_ = quantizer.activation.isSigned;
  largestInput_ = LargestCode(quantizer.activation);
  inputCode_ = CodeOf(quantizer.activation);

  const Affine& affine = op.inferAffine();
  activation_ = affine.activation;
  alpha_ = affine.alpha;
  beta_ = affine.beta;
  clamps_ = activation_ == Activation::kNone || activation_ == Activation::kRelu || activation_ == Activation::kRelu6;
  least_ = clamps_ && activation_ != Activation::kNone ? 0.0f : -kInfinity;
  most_ = activation_ == Activation::kRelu6 ? 6.0f : kInfinity;
  for (int c = 0; c < n_; ++c) {
    scale_.push_back(affine.scale[c]);  // of codes: see InferencePass
    shift_.push_back(affine.shift ? affine.shift[c] : 0.0f);
  }

  std::vector<std::int8_t> codes(static_cast<std::size_t>(n_) * k_);
  AlignedFloats values(codes.size());
  EncodeWeights(floatKernels, quantizer, weights, n_, codes.size(), values.data());
  std::copy_n(values.data(), codes.size(), codes.data());
  RefuseOverflow(spec.name, codes);
  if (depthwise_) {
    PackDepthwise(codes);
  } else {
    PackGroups(codes);
  }
}

void IntegerLayer::RefuseOverflow(const std::string& name, const std::vector<std::int8_t>& codes) const {
  for (int c = 0; c < n_; ++c) {
    std::int64_t sum = 0;
    for (int p = 0; p < k_; ++p) sum += std::abs(static_cast<int>(codes[static_cast<std::size_t>(c) * k_ + p]));
    if (sum * largestInput_ <= std::numeric_limits<std::int32_t>::max()) continue;
    throw std::invalid_argument("operator '" + name + "': the sums of its " + std::to_string(k_) +
                                " products could leave 32 bits (output channel " + std::to_string(c) +
                                "); use fewer bits there or the arithmetic 'fake'");
  }
}

void IntegerLayer::PackDepthwise(const std::vector<std::int8_t>& codes) {
  const int rowCodes = geometry_.paddedWidth() * geometry_.in.channels;
  pairs_.assign(static_cast<std::size_t>((k_ + 1) / 2) * n_ * 2, 0);
  for (int tap = 0; tap < k_; ++tap) {
    const int ky = tap / geometry_.kernel.width, kx = tap % geometry_.kernel.width;
    tapOffsets_.push_back(static_cast<std::ptrdiff_t>(ky) * geometry_.dilation.height * rowCodes +
                          static_cast<std::ptrdiff_t>(kx) * geometry_.dilation.width * geometry_.in.channels);
    for (int c = 0; c < n_; ++c) {
      pairs_[(static_cast<std::size_t>(tap / 2) * n_ + c) * 2 + tap % 2] =
          codes[static_cast<std::size_t>(c) * k_ + tap];
    }
  }
}

void IntegerLayer::PackGroups(const std::vector<std::int8_t>& codes) {
  const int columns = n_ / groups_;
  packedGroup_ = IntegerPackedSize(kernels_, k_, columns);
  packed_.resize(packedGroup_ * groups_);
  for (int g = 0; g < groups_; ++g) {
    PackIntegerWeights(kernels_, codes.data() + static_cast<std::size_t>(g) * columns * k_, k_, columns,
                       packed_.data() + g * packedGroup_);
  }
  if (!signed_ || kernels_.offset == 0) return;
  fix_.assign(n_, 0);
  for (int c = 0; c < n_; ++c) {
    for (int p = 0; p < k_; ++p) fix_[c] -= kernels_.offset * codes[static_cast<std::size_t>(c) * k_ + p];
  }
}

void IntegerLayer::Run(const Kernels& kernels, int images, const std::uint8_t* codes, const Output& out) const {
  if (rowwise_) {
    RunRows(kernels, images * rowsPerImage_, codes, out);
  } else if (depthwise_) {
    RunDepthwise(kernels, images, codes, out);
  } else {
    RunPatches(kernels, images, codes, out);
  }
}

int IntegerLayer::BlockRows(int depth) const {
  const std::size_t perRow =
      std::max(static_cast<std::size_t>(depth) * kernels_.elementBytes, n_ * sizeof(std::int32_t));
  const int fit = static_cast<int>(kBlockBytes / perRow);
  return std::max(kernels_.rows, fit / kernels_.rows * kernels_.rows);
}

void IntegerLayer::Multiply(int rows, int group, const void* prepared, std::int32_t* sums) const {
  const int columns = n_ / groups_;
  IntegerGemmArgs args;
  args.m = rows;
  args.n = columns;
  args.k = k_;
  args.a = prepared;
  args.b = packed_.data() + group * packedGroup_;
  args.fix = fix_.empty() ? nullptr : fix_.data() + static_cast<std::ptrdiff_t>(group) * columns;
  args.c = sums + static_cast<std::ptrdiff_t>(group) * columns;
  args.ldc = n_;
  kernels_.gemm(args);
}

void IntegerLayer::Finish(const Kernels& kernels, int rows, std::size_t first, const std::int32_t* sums, float* values,
                          const Output& out) const {
  const std::size_t offset = first * n_, count = static_cast<std::size_t>(rows) * n_;
  RequantizeArgs args;
  args.rows = rows;
  args.channels = n_;
  args.acc = sums;
  args.scale = scale_.data();
  args.shift = shift_.data();
  args.least = least_;
  args.most = most_;
  if (out.code) args.code = *out.code;
  if (clamps_ && out.code) {
    args.codes = out.codes + offset;
    kernels_.requantize(args);
    return;
  }
  args.values = out.code ? values : out.values + offset;
  kernels_.requantize(args);
  if (clamps_) return;
  kernels.affine(args.values, args.values, rows, n_, Affine{nullptr, nullptr, activation_, alpha_, beta_});
  if (out.code) kernels_.encode(args.values, count, *out.code, out.codes + offset);
}

Partition IntegerLayer::Chunks(int items, int grain, std::size_t rows) const {
  // Each chunk reads all weights: not more of them than threads need.
  return Partition(items, grain, static_cast<std::int64_t>(rows) * n_ * k_ / 2, 2 * ThreadCount());
}

void IntegerLayer::RunRows(const Kernels& kernels, int rows, const std::uint8_t* codes, const Output& out) const {
  const int depth = PaddedDepth(kernels_, k_);
  const std::size_t rowBytes = static_cast<std::size_t>(depth) * kernels_.elementBytes;
  const Partition chunks = Chunks(rows, kernels_.rows, rows);
  ParallelFor(chunks.count(), [&](int chunk) {
    const Range range = chunks[chunk];
    const int block = std::min(range.size(), BlockRows(depth));
    const std::size_t sumCount = static_cast<std::size_t>(block) * n_;
    Scratch scratch{FloatsFor(rowBytes * block), sumCount, clamps_ ? 0 : sumCount};
    std::uint8_t* prepared = Bytes(scratch.Next());
    std::int32_t* sums = Sums(scratch.Next());
    float* values = scratch.Next();
    for (int row = range.begin; row < range.end; row += block) {
      const int some = std::min(block, range.end - row);
      for (int i = 0; i < some; ++i) {
        kernels_.prepare(codes + static_cast<std::size_t>(row + i) * k_, signed_, k_, prepared + i * rowBytes);
      }
      Multiply(some, 0, prepared, sums);
      Finish(kernels, some, row, sums, values, out);
    }
  });
}

int IntegerLayer::StripRows() const {
  const int rowCodes = geometry_.paddedWidth() * geometry_.in.channels;
  const int fit = (kTileCodes / std::max(1, rowCodes) - geometry_.spanHeight()) / geometry_.stride.height + 1;
  return std::clamp(fit, std::min(4, geometry_.out.height), geometry_.out.height);
}

template <typename Body>
void IntegerLayer::ForTiles(int images, Body body) const {
  const int height = geometry_.out.height;
  const Partition chunks = Chunks(images * height, 1, images * geometry_.out.pixels());
  ParallelFor(chunks.count(), [&](int chunk) { ForStrips(height, StripRows(), chunks[chunk], body); });
}

void IntegerLayer::RunDepthwise(const Kernels& kernels, int images, const std::uint8_t* codes,
                                const Output& out) const {
  const int width = geometry_.out.width;
  ForTiles(images, [&](int image, int row, int count) {
    const std::size_t sumCount = static_cast<std::size_t>(count) * width * n_;
    const PaddedTile padded = geometry_.Tile(row, count);
    Scratch scratch{FloatsFor(padded.size(geometry_.in)), sumCount, clamps_ ? 0 : sumCount};
    std::uint8_t* tile = Bytes(scratch.Next());
    std::int32_t* sums = Sums(scratch.Next());
    float* values = scratch.Next();
    LoadPaddedCodes(codes + image * geometry_.in.size(), geometry_.in, padded, tile);
    IntegerDepthwiseArgs args;
    args.outRows = count;
    args.outWidth = width;
    args.inWidth = geometry_.paddedWidth();
    args.channels = n_;
    args.strideHeight = geometry_.stride.height;
    args.strideWidth = geometry_.stride.width;
    args.taps = k_;
    args.tapOffsets = tapOffsets_.data();
    args.isSigned = signed_;
    args.x = tile;
    args.weight = pairs_.data();
    args.y = sums;
    kernels_.depthwise(args);
    Finish(kernels, count * width, image * geometry_.out.pixels() + static_cast<std::size_t>(row) * width, sums, values,
           out);
  });
}

void IntegerLayer::RunPatches(const Kernels& kernels, int images, const std::uint8_t* codes, const Output& out) const {
  ForTiles(images, [&](int image, int row, int count) {
    RunPatchStrip(kernels, image, {row, row + count}, codes, out);
  });
}

void IntegerLayer::RunPatchStrip(const Kernels& kernels, int image, Range rows, const std::uint8_t* codes,
                                 const Output& out) const {
  const int depth = PaddedDepth(kernels_, k_), width = geometry_.out.width, pixels = rows.size() * width;
  const int block = std::min(pixels, BlockRows(depth)), groupChannels = geometry_.in.channels / groups_;
  const std::size_t rowBytes = static_cast<std::size_t>(depth) * kernels_.elementBytes;
  const std::size_t sumCount = static_cast<std::size_t>(block) * n_;
  const PaddedTile padded = geometry_.Tile(rows.begin, rows.size());
  Scratch scratch{FloatsFor(padded.size(geometry_.in)), FloatsFor(k_), FloatsFor(rowBytes * block), sumCount,
                  clamps_ ? 0 : sumCount};
  std::uint8_t* tile = Bytes(scratch.Next());
  std::uint8_t* patch = Bytes(scratch.Next());
  std::uint8_t* prepared = Bytes(scratch.Next());
  std::int32_t* sums = Sums(scratch.Next());
  float* values = scratch.Next();
  LoadPaddedCodes(codes + image * geometry_.in.size(), geometry_.in, padded, tile);
  const std::ptrdiff_t tileRow = static_cast<std::ptrdiff_t>(geometry_.paddedWidth()) * geometry_.in.channels;
  // The codes under one output pixel's kernel, of one group's channels.
  const auto gather = [&](int pixel, int group) {
    const std::uint8_t* first =
        tile + pixel / width * geometry_.stride.height * tileRow +
        static_cast<std::ptrdiff_t>(pixel % width) * geometry_.stride.width * geometry_.in.channels +
        static_cast<std::ptrdiff_t>(group) * groupChannels;
    std::uint8_t* to = patch;
    for (int ky = 0; ky < geometry_.kernel.height; ++ky) {
      const std::uint8_t* from = first + ky * geometry_.dilation.height * tileRow;
      for (int kx = 0; kx < geometry_.kernel.width; ++kx, to += groupChannels) {
        std::memcpy(to, from + static_cast<std::ptrdiff_t>(kx) * geometry_.dilation.width * geometry_.in.channels,
                    groupChannels);
      }
    }
  };
  const std::size_t first = image * geometry_.out.pixels() + static_cast<std::size_t>(rows.begin) * width;
  for (int pixel = 0; pixel < pixels; pixel += block) {
    const int some = std::min(block, pixels - pixel);
    for (int group = 0; group < groups_; ++group) {
      for (int i = 0; i < some; ++i) {
        gather(pixel + i, group);
        kernels_.prepare(patch, signed_, k_, prepared + i * rowBytes);
      }
      Multiply(some, group, prepared, sums);
    }
    Finish(kernels, some, first + pixel, sums, values, out);
  }
}

}  // namespace lathe
