// Everything here walks along the channels of a few pixels at once, so that memory is read in the order in which it
// lies: a walk down the pixels of one vector of channels would meet, with a power of two of channels, the same few sets
// of the first-level cache again and again. The weights come from that cache each time.
#include "kernels/isa/depthwise.h"

#include <math.h>  // INFINITY

#include "kernels/isa/columns.h"
#include "kernels/isa/vec.h"

namespace lathe::LATHE_ISA {
namespace {

// Output pixels at once: with 3 x 3 taps their sums and one input fit into sixteen registers beside the weights' loads,
// and each input column is loaded once for all pixels that read it.
constexpr int kPixels = 4;

constexpr int kMaxTaps = 64;  // of one pixel at a time; larger kernels add up in several walks

// Calls body(columns, channel, lanes) for each vector of channels; the last may be a part.
template <typename Body>
inline void ForChannels(int channels, Body body) {
  int channel = 0;
  for (; channel + kWidth <= channels; channel += kWidth) body(Columns<1, true>{}, channel, kWidth);
  if (channel < channels) body(Part{}, channel, channels - channel);
}

struct Finish {
  explicit Finish(const Affine& affine)
      : scale(affine.scale),
        shift(affine.shift),
        // Max with -infinity and min with infinity leave values alone: no branch in the loop.
        low(Repeat(affine.activation == Activation::kNone ? -INFINITY : 0.0f)),
        high(Repeat(affine.activation == Activation::kRelu6 ? 6.0f : INFINITY)) {}
  template <typename C>
  Vec Scale(int channel, int lanes) const {
    return scale ? LoadLanes<C::whole>(scale + channel, lanes) : Repeat(1.0f);
  }
  template <typename C>
  Vec Shift(int channel, int lanes) const {
    return shift ? LoadLanes<C::whole>(shift + channel, lanes) : Zero();
  }
  // Rounded as in gemm. The second operand is what a comparison with not-a-number leaves: it stays one.
  Vec operator()(Vec sum, Vec scale, Vec shift) const { return Min(high, Max(low, sum * scale + shift)); }
  const float *scale, *shift;
  Vec low, high;
};

// The products that make one pixel, wherever they are.
struct Taps {
  int count = 0;
  const float* x[kMaxTaps];
  int weight[kMaxTaps];  // number of the kernel's tap
};

// Calls walk(taps, first) with the taps of output pixel q in pieces of at most kMaxTaps; once at least.
template <typename Walk>
inline void ForTaps(const DepthwiseGeometry& g, const float* const* rows, int q, Walk walk) {
  Taps taps;
  bool first = true;
  for (int k = 0; k < g.kernelHeight; ++k) {
    if (!rows[k]) continue;
    for (int j = 0; j < g.kernelWidth; ++j) {
      const int column = q * g.stride - g.left + j * g.dilation;
      if (column < 0 || column >= g.inWidth) continue;
      if (taps.count == kMaxTaps) {
        walk(taps, first);
        first = false;
        taps.count = 0;
      }
      taps.x[taps.count] = rows[k] + static_cast<std::ptrdiff_t>(column) * g.channels;
      taps.weight[taps.count++] = k * g.kernelWidth + j;
    }
  }
  walk(taps, first);
}

// y (channels) = the taps' sum, added to what is there unless it is the first piece.
void SumTaps(const Taps& taps, bool first, int channels, const float* weight, int kernelTaps, float* y) {
  ForChannels(channels, [&](auto columns, int channel, int lanes) {
    using C = decltype(columns);
    const float* own = weight + static_cast<std::ptrdiff_t>(channel) * kernelTaps;
    Vec sum = first ? Zero() : LoadLanes<C::whole>(y + channel, lanes);
    for (int t = 0; t < taps.count; ++t) {
      sum = MulAdd(LoadLanes<C::whole>(taps.x[t] + channel, lanes), Load(own + taps.weight[t] * kWidth), sum);
    }
    StoreLanes<C::whole>(y + channel, sum, lanes);
  });
}

void FinishPixel(const Finish& finish, int channels, float* y) {
  ForChannels(channels, [&](auto columns, int channel, int lanes) {
    using C = decltype(columns);
    const Vec sum = LoadLanes<C::whole>(y + channel, lanes);
    StoreLanes<C::whole>(y + channel, finish(sum, finish.Scale<C>(channel, lanes), finish.Shift<C>(channel, lanes)),
                         lanes);
  });
}

// Asks for the same channels of kCount neighbouring pixels: the walk along the channels of few pixels is too short for
// the hardware to guess where it goes on. Two groups of pixels ahead was the best distance measured.
template <int kCount, bool kToWrite>
inline void Prefetch(const float* first, std::ptrdiff_t pixel) {
#pragma GCC unroll 8
  for (int u = 0; u < kCount; ++u) __builtin_prefetch(first + u * pixel, kToWrite, 3);
}

// kPixels output pixels of a 3 x 3 kernel whose columns are all there; x: the first column that they read. What streams
// goes past the caches: no line of it is fetched before it is written.
template <int kStride, bool kStream>
void Pixels3(const float* const (&x)[3], int channels, const float* weight, const Finish& finish, float* y) {
  constexpr int kColumns = (kPixels - 1) * kStride + 3;
  const std::ptrdiff_t pixel = channels;
  ForChannels(channels, [&](auto columns, int channel, int lanes) {
    using C = decltype(columns);
    const float* own = weight + static_cast<std::ptrdiff_t>(channel) * 9;
    Vec sum[kPixels];
#pragma GCC unroll 4
    for (int u = 0; u < kPixels; ++u) sum[u] = Zero();
    Prefetch<kPixels * kStride, false>(x[2] + 2 * kPixels * kStride * pixel + channel, pixel);
    if constexpr (!kStream) Prefetch<kPixels, true>(y + 2 * kPixels * pixel + channel, pixel);
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
      Vec w[3];
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) w[j] = Load(own + (3 * i + j) * kWidth);
#pragma GCC unroll 9
      for (int c = 0; c < kColumns; ++c) {
        const Vec value = LoadLanes<C::whole>(x[i] + c * pixel + channel, lanes);
#pragma GCC unroll 4
        for (int u = 0; u < kPixels; ++u) {
          if (c >= u * kStride && c < u * kStride + 3) sum[u] = MulAdd(value, w[c - u * kStride], sum[u]);
        }
      }
    }
    const Vec scale = finish.Scale<C>(channel, lanes), shift = finish.Shift<C>(channel, lanes);
#pragma GCC unroll 4
    for (int u = 0; u < kPixels; ++u) {
      const Vec value = finish(sum[u], scale, shift);
      if constexpr (kStream && C::whole) {
        Stream(y + u * pixel + channel, value);
      } else {
        StoreLanes<C::whole>(y + u * pixel + channel, value, lanes);
      }
    }
  });
}

// Output pixels [begin, end) of a 3 x 3 kernel that read no column outside; begin = end where the fast way is not for
// it.
struct Inner {
  int begin, end;
};
inline Inner InnerPixels(const DepthwiseGeometry& g, const float* const* rows) {
  const bool fast = g.kernelHeight == 3 && g.kernelWidth == 3 && g.dilation == 1 && g.stride <= 2 && g.left >= 0 &&
                    rows[0] && rows[1] && rows[2];
  if (!fast) return {0, 0};
  const int begin = (g.left + g.stride - 1) / g.stride;
  const int last = (g.inWidth - 3 + g.left) / g.stride;  // the last that fits, where any does
  const int end = g.inWidth + g.left < 3 ? 0 : (last + 1 < g.outWidth ? last + 1 : g.outWidth);
  return begin < end ? Inner{begin, end} : Inner{0, 0};
}

// Calls group(q) for kPixels inner pixels from q on and single(q) for every other pixel, from left to right.
template <typename Group, typename Single>
inline void ForPixels(const DepthwiseGeometry& g, const Inner& inner, Group group, Single single) {
  int q = 0;
  for (; q < inner.begin; ++q) single(q);
  for (; q + kPixels <= inner.end; q += kPixels) group(q);
  for (; q < g.outWidth; ++q) single(q);
}

// The first columns that inner pixel q reads.
inline void FirstColumns(const DepthwiseGeometry& g, const float* const* rows, int q, const float* (&x)[3]) {
  const std::ptrdiff_t offset = static_cast<std::ptrdiff_t>(q * g.stride - g.left) * g.channels;
  for (int i = 0; i < 3; ++i) x[i] = rows[i] + offset;
}

// dWeight of a 3 x 3 kernel from kPixels output pixels.
template <int kStride>
void WeightsPixels3(const float* const (&x)[3], int channels, const float* dy, float* dWeight) {
  constexpr int kColumns = (kPixels - 1) * kStride + 3;
  const std::ptrdiff_t pixel = channels;
  ForChannels(channels, [&](auto columns, int channel, int lanes) {
    using C = decltype(columns);
    Prefetch<kPixels * kStride, false>(x[2] + 2 * kPixels * kStride * pixel + channel, pixel);
    Prefetch<kPixels, false>(dy + 2 * kPixels * pixel + channel, pixel);
    float* own = dWeight + static_cast<std::ptrdiff_t>(channel) * 9;
    Vec d[kPixels];
#pragma GCC unroll 4
    for (int u = 0; u < kPixels; ++u) d[u] = LoadLanes<C::whole>(dy + u * pixel + channel, lanes);
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
      Vec sum[3];
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) sum[j] = Load(own + (3 * i + j) * kWidth);
#pragma GCC unroll 9
      for (int c = 0; c < kColumns; ++c) {
        const Vec value = LoadLanes<C::whole>(x[i] + c * pixel + channel, lanes);
#pragma GCC unroll 4
        for (int u = 0; u < kPixels; ++u) {
          if (c >= u * kStride && c < u * kStride + 3) sum[c - u * kStride] = MulAdd(value, d[u], sum[c - u * kStride]);
        }
      }
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) Store(own + (3 * i + j) * kWidth, sum[j]);
    }
  });
}

void WeightsTaps(const Taps& taps, int channels, int kernelTaps, const float* dy, float* dWeight) {
  ForChannels(channels, [&](auto columns, int channel, int lanes) {
    using C = decltype(columns);
    const Vec d = LoadLanes<C::whole>(dy + channel, lanes);
    for (int t = 0; t < taps.count; ++t) {
      float* to = dWeight + static_cast<std::ptrdiff_t>(channel) * kernelTaps + taps.weight[t] * kWidth;
      Store(to, MulAdd(LoadLanes<C::whole>(taps.x[t] + channel, lanes), d, Load(to)));
    }
  });
}

}  // namespace

namespace {

template <bool kStream>
void Forward(const DepthwiseArgs& args) {
  const DepthwiseGeometry& g = args.geometry;
  const Finish finish(args.affine);
  const int kernelTaps = g.kernelHeight * g.kernelWidth;
  for (int r = 0; r < g.outRows; ++r) {
    const float* const* rows = args.rows + static_cast<std::ptrdiff_t>(r) * g.kernelHeight;
    const auto at = [&](int q) { return args.y + (static_cast<std::ptrdiff_t>(r) * g.outWidth + q) * g.channels; };
    ForPixels(
        g, InnerPixels(g, rows),
        [&](int q) {
          const float* x[3];
          FirstColumns(g, rows, q, x);
          g.stride == 1 ? Pixels3<1, kStream>(x, g.channels, args.weight, finish, at(q))
                        : Pixels3<2, kStream>(x, g.channels, args.weight, finish, at(q));
        },
        [&](int q) {
          ForTaps(g, rows, q, [&](const Taps& taps, bool first) {
            SumTaps(taps, first, g.channels, args.weight, kernelTaps, at(q));
          });
          if (!args.affine.identity()) FinishPixel(finish, g.channels, at(q));
        });
  }
}

}  // namespace

void Depthwise(const DepthwiseArgs& args) {
  const bool aligned =
      reinterpret_cast<std::uintptr_t>(args.y) % sizeof(Vec) == 0 && args.geometry.channels % kWidth == 0;
  if (!args.stream || !aligned) return Forward<false>(args);
  Forward<true>(args);
  FenceStreams();
}

void DepthwiseData(const DepthwiseDataArgs& args) {
  const DepthwiseGeometry& g = args.geometry;
  const int kernelTaps = g.kernelHeight * g.kernelWidth;
  for (int r = 0; r < g.outRows; ++r) {
    const float* const* rows = args.rows + static_cast<std::ptrdiff_t>(r) * g.kernelHeight;
    for (int column = 0; column < g.inWidth; ++column) {
      float* dx = args.dx + (static_cast<std::ptrdiff_t>(r) * g.inWidth + column) * g.channels;
      Taps taps;
      bool first = true;
      for (int k = 0; k < g.kernelHeight; ++k) {
        if (!rows[k]) continue;
        for (int j = 0; j < g.kernelWidth; ++j) {
          const int position = column + g.left - j * g.dilation;
          if (position < 0 || position % g.stride != 0 || position / g.stride >= g.outWidth) continue;
          if (taps.count == kMaxTaps) {
            SumTaps(taps, first, g.channels, args.weight, kernelTaps, dx);
            first = false;
            taps.count = 0;
          }
          taps.x[taps.count] = rows[k] + static_cast<std::ptrdiff_t>(position / g.stride) * g.channels;
          taps.weight[taps.count++] = k * g.kernelWidth + j;
        }
      }
      SumTaps(taps, first, g.channels, args.weight, kernelTaps, dx);
    }
  }
}

void DepthwiseWeights(const DepthwiseWeightsArgs& args) {
  const DepthwiseGeometry& g = args.geometry;
  const int kernelTaps = g.kernelHeight * g.kernelWidth;
  for (int r = 0; r < g.outRows; ++r) {
    const float* const* rows = args.rows + static_cast<std::ptrdiff_t>(r) * g.kernelHeight;
    const auto at = [&](int q) { return args.dy + (static_cast<std::ptrdiff_t>(r) * g.outWidth + q) * g.channels; };
    ForPixels(
        g, InnerPixels(g, rows),
        [&](int q) {
          const float* x[3];
          FirstColumns(g, rows, q, x);
          g.stride == 1 ? WeightsPixels3<1>(x, g.channels, at(q), args.dWeight)
                        : WeightsPixels3<2>(x, g.channels, at(q), args.dWeight);
        },
        [&](int q) {
          ForTaps(g, rows, q,
                  [&](const Taps& taps, bool) { WeightsTaps(taps, g.channels, kernelTaps, at(q), args.dWeight); });
        });
  }
}

}  // namespace lathe::LATHE_ISA
