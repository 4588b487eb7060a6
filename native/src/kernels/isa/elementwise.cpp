#include "kernels/isa/elementwise.h"

#include <math.h>  // INFINITY

#include "kernels/isa/activation.h"
#include "kernels/isa/columns.h"
#include "kernels/isa/flat.h"
#include "kernels/isa/vec.h"

namespace lathe::LATHE_ISA {
namespace {

template <typename Function>
void MapAffine(float* y, const float* x, int rows, int channels, const Affine& affine, Function function) {
  ForColumns(rows, channels, [&](auto columns, const Block& block) {
    using C = decltype(columns);
    Vec scale[C::vectors], shift[C::vectors];
    LoadChannels<C>(scale, affine.scale, block, 1.0f);
    LoadChannels<C>(shift, affine.shift, block, 0.0f);
    std::ptrdiff_t at = block.offset;
    for (int r = 0; r < block.rows; ++r, at += block.stride) {
#pragma GCC unroll 4
      for (int v = 0; v < C::vectors; ++v) {
        const Vec t = MulAdd(LoadLanes<C::whole>(x + at + v * kWidth, block.lanes), scale[v], shift[v]);
        StoreLanes<C::whole>(y + at + v * kWidth, function(t), block.lanes);
      }
    }
  });
}

}  // namespace

void ApplyAffine(float* y, const float* x, int rows, int channels, const Affine& affine) {
  if (affine.activation <= Activation::kClip) {
    // Max with -infinity and min with infinity leave values alone: no branch in the loop.
    const bool clip = affine.activation == Activation::kClip;
    const Vec low = Repeat(clip ? affine.alpha : affine.activation == Activation::kNone ? -INFINITY : 0.0f);
    const Vec high = Repeat(clip ? affine.beta : affine.activation == Activation::kRelu6 ? 6.0f : INFINITY);
    MapAffine(y, x, rows, channels, affine, [&](Vec t) { return Clamp(t, low, high); });
    return;
  }
  const Vec alpha = Repeat(affine.alpha), beta = Repeat(affine.beta);
  WithActivation(affine.activation, [&]<Activation kActivation>() {
    MapAffine(y, x, rows, channels, affine, [&](Vec t) { return Activate<kActivation>(t, alpha, beta); });
  });
}

void ColumnMoments(const float* x, int rows, int channels, const float* center, float* sum, float* sumSquares) {
  ForColumns(rows, channels, [&](auto columns, const Block& block) {
    using C = decltype(columns);
    Vec middle[C::vectors], first[C::vectors], second[C::vectors];
    LoadChannels<C>(middle, center, block, 0.0f);
#pragma GCC unroll 4
    for (int v = 0; v < C::vectors; ++v) first[v] = second[v] = Zero();
    const float* from = x + block.offset;
    for (int r = 0; r < block.rows; ++r, from += block.stride) {
#pragma GCC unroll 4
      for (int v = 0; v < C::vectors; ++v) {
        const Vec d = LoadLanes<C::whole>(from + v * kWidth, block.lanes) - middle[v];
        first[v] += d;
        second[v] = MulAdd(d, d, second[v]);
      }
    }
    for (int v = 0; v < C::vectors; ++v) {
      AddLanes(sum, first[v], block, channels, v);
      AddLanes(sumSquares, second[v], block, channels, v);
    }
  });
}

void ColumnSum(const float* x, int rows, int channels, float* sum) {
  ForColumns(rows, channels, [&](auto columns, const Block& block) {
    using C = decltype(columns);
    Vec total[C::vectors];
#pragma GCC unroll 4
    for (int v = 0; v < C::vectors; ++v) total[v] = Zero();
    const float* from = x + block.offset;
    for (int r = 0; r < block.rows; ++r, from += block.stride) {
#pragma GCC unroll 4
      for (int v = 0; v < C::vectors; ++v) total[v] += LoadLanes<C::whole>(from + v * kWidth, block.lanes);
    }
    for (int v = 0; v < C::vectors; ++v) AddLanes(sum, total[v], block, channels, v);
  });
}

namespace {

// The gradient's way through one block; what it needs not do is decided at compile time.
template <typename C, bool kAccumulate, Activation kActivation, bool kSums>
void SinkBlock(const GradientSinkArgs& args, const Block& block) {
  Vec scale[C::vectors], shift[C::vectors], center[C::vectors], total[C::vectors], weighted[C::vectors];
  LoadChannels<C>(scale, args.affine.scale, block, 1.0f);
  LoadChannels<C>(shift, args.affine.shift, block, 0.0f);
  LoadChannels<C>(center, args.center, block, 0.0f);
#pragma GCC unroll 4
  for (int v = 0; v < C::vectors; ++v) total[v] = weighted[v] = Zero();
  const Vec alpha = Repeat(args.affine.alpha), beta = Repeat(args.affine.beta);
  std::ptrdiff_t at = block.offset;
  for (int r = 0; r < block.rows; ++r, at += block.stride) {
#pragma GCC unroll 4
    for (int v = 0; v < C::vectors; ++v) {
      const std::ptrdiff_t i = at + v * kWidth;
      Vec g = LoadLanes<C::whole>(args.dz + i, block.lanes);
      if constexpr (kAccumulate) g += LoadLanes<C::whole>(args.g + i, block.lanes);
      if constexpr (kSums || kActivation != Activation::kNone) {
        const Vec y = LoadLanes<C::whole>(args.y + i, block.lanes);
        g = ActivationGradient<kActivation>(g, MulAdd(y, scale[v], shift[v]), alpha, beta);
        if constexpr (kSums) {
          total[v] += g;
          weighted[v] = MulAdd(g, y - center[v], weighted[v]);
        }
      }
      StoreLanes<C::whole>(args.g + i, g, block.lanes);
    }
  }
  if constexpr (kSums) {
    for (int v = 0; v < C::vectors; ++v) {
      AddLanes(args.sum, total[v], block, args.channels, v);
      AddLanes(args.sumTimesCentered, weighted[v], block, args.channels, v);
    }
  }
}

template <bool kAccumulate, Activation kActivation, bool kSums>
void Sink(const GradientSinkArgs& args) {
  ForColumns(args.rows, args.channels, [&](auto columns, const Block& block) {
    SinkBlock<decltype(columns), kAccumulate, kActivation, kSums>(args, block);
  });
}

template <bool kAccumulate, Activation kActivation>
void Sink(const GradientSinkArgs& args) {
  args.last&& args.center ? Sink<kAccumulate, kActivation, true>(args) : Sink<kAccumulate, kActivation, false>(args);
}

template <bool kAccumulate>
void Sink(const GradientSinkArgs& args) {
  WithActivation(args.last ? args.affine.activation : Activation::kNone,
                 [&]<Activation kActivation>() { Sink<kAccumulate, kActivation>(args); });
}

}  // namespace

void GradientSink(const GradientSinkArgs& args) { args.accumulate ? Sink<true>(args) : Sink<false>(args); }

void NormBackward(float* dy, const float* g, const float* y, int rows, int channels, const float* a, const float* b,
                  const float* c) {
  ForColumns(rows, channels, [&](auto columns, const Block& block) {
    using C = decltype(columns);
    Vec va[C::vectors], vb[C::vectors], vc[C::vectors];
    LoadChannels<C>(va, a, block, 0.0f);
    LoadChannels<C>(vb, b, block, 0.0f);
    LoadChannels<C>(vc, c, block, 0.0f);
    std::ptrdiff_t at = block.offset;
    for (int r = 0; r < block.rows; ++r, at += block.stride) {
#pragma GCC unroll 4
      for (int v = 0; v < C::vectors; ++v) {
        const Vec vg = LoadLanes<C::whole>(g + at + v * kWidth, block.lanes);
        const Vec vy = LoadLanes<C::whole>(y + at + v * kWidth, block.lanes);
        StoreLanes<C::whole>(dy + at + v * kWidth, MulAdd(va[v], vg, MulAdd(vb[v], vy, vc[v])), block.lanes);
      }
    }
  });
}

void Add(float* out, const float* a, const float* b, std::size_t count) {
  ForFlat(count, [&](auto lanes, std::size_t i) { lanes.store(out + i, lanes.load(a + i) + lanes.load(b + i)); });
}

void Scale(float* x, float factor, std::size_t count) {
  ForFlat(count, [&](auto lanes, std::size_t i) { lanes.store(x + i, lanes.load(x + i) * factor); });
}

void Multiply(float* out, const float* a, const float* b, std::size_t count) {
  ForFlat(count, [&](auto lanes, std::size_t i) { lanes.store(out + i, lanes.load(a + i) * lanes.load(b + i)); });
}

void ColumnDot(const float* a, const float* b, int rows, int channels, float* sum) {
  ForColumns(rows, channels, [&](auto columns, const Block& block) {
    using C = decltype(columns);
    Vec total[C::vectors];
#pragma GCC unroll 4
    for (int v = 0; v < C::vectors; ++v) total[v] = Zero();
    std::ptrdiff_t at = block.offset;
    for (int r = 0; r < block.rows; ++r, at += block.stride) {
#pragma GCC unroll 4
      for (int v = 0; v < C::vectors; ++v) {
        const std::ptrdiff_t i = at + v * kWidth;
        total[v] = MulAdd(LoadLanes<C::whole>(a + i, block.lanes), LoadLanes<C::whole>(b + i, block.lanes), total[v]);
      }
    }
    for (int v = 0; v < C::vectors; ++v) AddLanes(sum, total[v], block, channels, v);
  });
}

void Dropout(const DropoutArgs& args) {
  UintVec lane;
  for (int i = 0; i < kWidth; ++i) lane[i] = static_cast<unsigned>(i);
  const auto low = static_cast<unsigned>(args.key), high = static_cast<unsigned>(args.key >> 32);
  ForFlat(args.count, [&](auto lanes, std::size_t i) {
    // As DropoutDraw in kernels/dropout.h has it.
    UintVec h = (lane + (args.first + static_cast<unsigned>(i))) ^ low;
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    h ^= h >> 16;
    h += high;
    h ^= h >> 17;
    h *= 0xed5ad4bbu;
    h ^= h >> 11;
    h *= 0xac4c1b51u;
    h ^= h >> 15;
    lanes.store(args.y + i, h >= args.threshold ? lanes.load(args.x + i) * args.scale : Zero());
  });
}

void Quantize(const QuantizeArgs& args) {
  const Vec scale = Repeat(args.scale), unit = Repeat(args.unit), low = Repeat(args.low), high = Repeat(args.high);
  if (args.sign) {
    ForFlat(args.count, [&](auto lanes, std::size_t i) {
      lanes.store(args.y + i, lanes.load(args.x + i) >= Zero() ? unit : -unit);
    });
    return;
  }
  // A true division, as in the definition: multiplying by the reciprocal would move exact ties.
  ForFlat(args.count, [&](auto lanes, std::size_t i) {
    lanes.store(args.y + i, RoundToEven(Min(Max(lanes.load(args.x + i) / scale, low), high)) * unit);
  });
}

void Sgd(const SgdArgs& args) {
  const Vec momentum = Repeat(args.momentum), decay = Repeat(args.weightDecay), rate = Repeat(-args.learningRate);
  const Vec scale = Repeat(args.gradientScale);
  ForFlat(args.count, [&](auto lanes, std::size_t i) {
    const Vec w = lanes.load(args.weight + i);
    const Vec g = MulAdd(decay, w, lanes.load(args.gradient + i) * scale);
    const Vec v = MulAdd(momentum, lanes.load(args.velocity + i), g);
    lanes.store(args.velocity + i, v);
    lanes.store(args.weight + i, MulAdd(rate, args.nesterov ? MulAdd(momentum, v, g) : v, w));
  });
}

void Adam(const AdamArgs& args) {
  const Vec beta1 = Repeat(args.beta1), beta2 = Repeat(args.beta2);
  const Vec scale = Repeat(args.gradientScale), keep = Repeat(args.keep);
  ForFlat(args.count, [&](auto lanes, std::size_t i) {
    const Vec g = lanes.load(args.gradient + i) * scale, w = lanes.load(args.weight + i) * keep;
    const Vec m = MulAdd(beta1, lanes.load(args.first + i), g * (1.0f - args.beta1));
    const Vec v = MulAdd(beta2, lanes.load(args.second + i), g * g * (1.0f - args.beta2));
    lanes.store(args.first + i, m);
    lanes.store(args.second + i, v);
    lanes.store(args.weight + i, w - m * args.stepSize / (Sqrt(v * args.secondCorrection) + args.epsilon));
  });
}

void Lerp(float* x, const float* target, float t, std::size_t count) {
  const Vec own = Repeat(1.0f - t);
  ForFlat(count, [&](auto lanes, std::size_t i) {
    lanes.store(x + i, MulAdd(own, lanes.load(x + i), lanes.load(target + i) * t));
  });
}

}  // namespace lathe::LATHE_ISA
