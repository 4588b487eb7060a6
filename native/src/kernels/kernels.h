// The tile kernels, as tables of functions: one table for each instruction set, from the same sources (kernels/isa).
// Kernels work on tiles that lie in cache, on one thread; the operators (train/ops) cut tensors into tiles. Matrices of
// (rows, channels) are contiguous unless a stride says otherwise. Kernels may read, but never use, a vector's width
// behind an input's end (see core/aligned.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/simd.h"

namespace lathe {

enum class Activation : int {
  kNone,
  kRelu,
  kRelu6,
  kClip,         // to [alpha, beta]
  kLeakyRelu,    // t > 0 ? t : alpha * t
  kHardSwish,    // t * max(0, min(6, t + 3)) / 6
  kHardSigmoid,  // max(0, min(1, alpha * t + beta))
  kSigmoid,
  kSwish,  // t * sigmoid(t)
  kTanh,
};

// Whether the epilogues of gemm and depthwise apply it; any other is for `affine` to apply behind them.
constexpr bool InEpilogue(Activation activation) { return activation <= Activation::kRelu6; }

// y = activation(x * scale + shift), a channel each; null scale: no scaling, null shift: no shift.
// Vectors of channels are periodic: see ChannelVectorSize.
struct Affine {
  const float* scale = nullptr;  // (channels)
  const float* shift = nullptr;  // (channels)
  Activation activation = Activation::kNone;
  float alpha = 0, beta = 0;  // of the activation
  bool identity() const { return scale == nullptr && shift == nullptr && activation == Activation::kNone; }
};

// Narrow tensors are worked on as rows of whole vectors, so per-channel vectors are repeated to at least this length.
inline constexpr int kChannelPeriod = 16;

// Floats of a per-channel vector: channels, or kChannelPeriod when channels divide it (then repeated to fill it).
constexpr int ChannelVectorSize(int channels) {
  return channels < kChannelPeriod && kChannelPeriod % channels == 0 ? kChannelPeriod : channels;
}

enum class Epilogue : int {
  kStore,       // c = a b
  kAccumulate,  // c += a b
  kAffine,      // c = activation(a b * scale + shift), rounded behind the product and behind the sum
};

struct GemmArgs {
  int m = 0, n = 0, k = 0;
  // Element (i, p) of a is a[i * lda + p], or with transposedA a[p * lda + i].
  const float* a = nullptr;
  std::ptrdiff_t lda = 0;
  bool transposedA = false;
  // A convolution's patches without a copy of them (not with transposedA): row i of a begins at aRows[i] instead of
  // i * lda, and its k elements are `runs` pieces of equal length, piece r at aRuns[r] behind the row's begin.
  const std::ptrdiff_t* aRows = nullptr;  // (m)
  const std::ptrdiff_t* aRuns = nullptr;  // (runs)
  int runs = 1;
  // Element (p, j) of b is, with w = GemmPanel: packed: b[(j / w * k + p) * w + j % w]; else b[p * ldb + j]; or with
  // bRows (transposedA alone) b[bRows[p] + j].
  const float* b = nullptr;
  std::ptrdiff_t ldb = 0;                 // 0: packed
  const std::ptrdiff_t* bRows = nullptr;  // (k)
  float* c = nullptr;                     // (m, n): row i at i * ldc, or at cRows[i]
  std::ptrdiff_t ldc = 0;
  const std::ptrdiff_t* cRows = nullptr;  // (m)
  Epilogue epilogue = Epilogue::kStore;
  Affine affine;  // of kAffine; over n, not periodic
};

// A depthwise convolution's place: output rows of (outWidth, channels), input rows of (inWidth, channels). Output pixel
// q reads input columns q * stride - left + j * dilation, j below kernelWidth; there are zeros where there is no
// column.
struct DepthwiseGeometry {
  int outRows = 0, outWidth = 0, inWidth = 0, channels = 0;
  int kernelHeight = 0, kernelWidth = 0, stride = 1, dilation = 1, left = 0;
};

struct DepthwiseArgs {
  DepthwiseGeometry geometry;
  const float* const* rows = nullptr;  // (outRows, kernelHeight): the input row under each kernel row; null: zeros
  const float* weight = nullptr;       // tap t of channel c at [(c / w * taps + t) * w + c % w], w the vector's width
  float* y = nullptr;                  // (outRows, outWidth, channels)
  Affine affine;                       // after the sum, rounded as gemm's
  bool stream = false;                 // y is larger than the caches, and nobody reads it soon
};

// The input's gradient: dx row r, column i is the sum of weight(k, j) * dy(rows[r][k], q) over the output pixels q that
// read column i at j.
struct DepthwiseDataArgs {
  DepthwiseGeometry geometry;  // outRows: of dx
  const float* const* rows =
      nullptr;                    // (outRows, kernelHeight): the row of dy that reads dx's at each kernel row, or null
  const float* weight = nullptr;  // as above
  float* dx = nullptr;            // (outRows, inWidth, channels)
};

struct DepthwiseWeightsArgs {
  DepthwiseGeometry geometry;
  const float* const* rows = nullptr;  // as in DepthwiseArgs
  const float* dy = nullptr;           // (outRows, outWidth, channels)
  float* dWeight = nullptr;            // as DepthwiseArgs has the weights, added to
};

// One image (height, width, channels) under a sliding window. What a window has outside the image is not there for the
// maximum; averages count it as zeros with countPadding. Every window has a pixel inside.
struct PoolArgs {
  int height = 0, width = 0, channels = 0, outHeight = 0, outWidth = 0;
  int kernelHeight = 1, kernelWidth = 1, strideHeight = 1, strideWidth = 1, top = 0, left = 0;
  bool countPadding = false;
  const float* x = nullptr;   // (height, width, channels); forward, and backward of the maximum
  float* y = nullptr;         // (outHeight, outWidth, channels); read by the backward of the maximum
  const float* dy = nullptr;  // as y
  float* dx = nullptr;        // as x, added to
};

// y = x / (1 - p) or 0, element by element: 0 where Draw(key, first + i) < threshold. What is drawn depends on the key
// and the element's number alone, so not on how the work is cut.
struct DropoutArgs {
  std::size_t count = 0;
  const float* x = nullptr;
  float* y = nullptr;       // may be x
  std::uint64_t key = 0;    // of operator and step
  std::uint32_t first = 0;  // number of the first element; wraps
  std::uint32_t threshold = 0;
  float scale = 1;
};

// A gradient arrives at a tensor z = activation(y * scale + shift), y stored: turns the gradient of z into that of the
// affine's output and sums what batch norm's backward needs.
struct GradientSinkArgs {
  int rows = 0, channels = 0;
  const float* dz = nullptr;          // (rows, channels)
  const float* y = nullptr;           // (rows, channels)
  Affine affine;                      // periodic
  bool accumulate = false;            // add what is in g already
  bool last = true;                   // no other gradient will come: apply the activation's derivative, sum
  const float* center = nullptr;      // (channels), periodic: batch mean; null: no sums
  float* g = nullptr;                 // (rows, channels)
  float* sum = nullptr;               // (channels) += g
  float* sumTimesCentered = nullptr;  // (channels) += g * (y - center)
};

// y = code * unit: with the scale as unit the quantized value, with 1 the code itself.
struct QuantizeArgs {
  std::size_t count = 0;
  const float* x = nullptr;
  float* y = nullptr;  // may be x
  float scale = 1, unit = 1;
  float low = 0, high = 0;  // codes
  bool sign = false;        // 1 bit: y = x >= 0 ? unit : -unit
};

// g = gradientScale * gradient + weightDecay * weight; v = momentum * v + g; the weight moves by -learningRate times v,
// or with Nesterov's momentum times g + momentum * v.
struct SgdArgs {
  std::size_t count = 0;
  float* weight = nullptr;
  float* velocity = nullptr;
  const float* gradient = nullptr;
  float learningRate = 0, momentum = 0, weightDecay = 0;
  bool nesterov = false;
  float gradientScale = 1;
};

struct AdamArgs {
  std::size_t count = 0;
  float* weight = nullptr;
  float* first = nullptr;
  float* second = nullptr;
  const float* gradient = nullptr;
  float beta1 = 0, beta2 = 0, epsilon = 0;
  float stepSize = 0;          // learning rate / (1 - beta1^t)
  float secondCorrection = 0;  // 1 / (1 - beta2^t)
  float keep = 1;              // what the weight is multiplied by first: 1 - learning rate * decoupled decay
  float gradientScale = 1;
};

struct Kernels {
  SimdLevel level;
  int width;      // floats in a vector
  int gemmRows;   // rows of a register tile: divide m by it
  int gemmPanel;  // columns of a packed panel

  void (*gemm)(const GemmArgs&);
  // Packs b(p, j) = source[p * ld + j], (k, n), into panels. Floats needed: PackedSize.
  void (*packRows)(const float* source, std::ptrdiff_t ld, int k, int n, float* packed);
  // Packs b(p, j) = source[j * ld + p].
  void (*packColumns)(const float* source, std::ptrdiff_t ld, int k, int n, float* packed);

  void (*depthwise)(const DepthwiseArgs&);
  void (*depthwiseData)(const DepthwiseDataArgs&);
  void (*depthwiseWeights)(const DepthwiseWeightsArgs&);

  // y = activation(x * scale + shift); vectors periodic; y may be x.
  void (*affine)(float* y, const float* x, int rows, int channels, const Affine& affine);
  // sum += x - center, sumSquares += (x - center)^2; center periodic.
  void (*columnMoments)(const float* x, int rows, int channels, const float* center, float* sum, float* sumSquares);
  void (*columnSum)(const float* x, int rows, int channels, float* sum);  // sum += x
  void (*gradientSink)(const GradientSinkArgs&);
  // dy = a * g + b * y + c, a channel each, periodic.
  void (*normBackward)(float* dy, const float* g, const float* y, int rows, int channels, const float* a,
                       const float* b, const float* c);
  void (*add)(float* out, const float* a, const float* b, std::size_t count);
  void (*scale)(float* x, float factor, std::size_t count);
  void (*multiply)(float* out, const float* a, const float* b, std::size_t count);
  void (*columnDot)(const float* a, const float* b, int rows, int channels, float* sum);  // sum += a * b
  void (*dropout)(const DropoutArgs&);
  void (*maxPool)(const PoolArgs&);
  void (*maxPoolBackward)(const PoolArgs&);
  void (*averagePool)(const PoolArgs&);
  void (*averagePoolBackward)(const PoolArgs&);
  void (*quantize)(const QuantizeArgs&);
  void (*sgd)(const SgdArgs&);
  void (*adam)(const AdamArgs&);
  void (*lerp)(float* x, const float* target, float t, std::size_t count);  // x = (1 - t) * x + t * target

  // Roofs: `rounds` times peakMultiplyAdds independent multiply-adds in registers; a = b + factor * c.
  int peakMultiplyAdds;
  float (*peak)(std::int64_t rounds);
  void (*triad)(float* a, const float* b, const float* c, float factor, std::size_t count);
};

const Kernels& KernelsFor(SimdLevel level);

// Those of the level in use. A call takes them once and keeps them: packed weights belong to their table.
const Kernels& ActiveKernels();

inline std::size_t PackedSize(const Kernels& kernels, int k, int n) {
  const auto panels = static_cast<std::size_t>((n + kernels.gemmPanel - 1) / kernels.gemmPanel);
  return panels * static_cast<std::size_t>(k) * static_cast<std::size_t>(kernels.gemmPanel);
}

}  // namespace lathe
