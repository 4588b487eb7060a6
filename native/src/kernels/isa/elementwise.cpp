#include "kernels/isa/elementwise.h"

#include "kernels/isa/columns.h"
#include "kernels/isa/vec.h"

namespace lathe::LATHE_ISA {
namespace {

inline Vec Activate(Vec x, Activation activation) {
  if (activation != Activation::kNone) x = Max(x, Zero());
  if (activation == Activation::kRelu6) x = Min(x, Repeat(6.0f));
  return x;
}

// The incoming gradient where the activation's derivative at t is 1, else 0.
inline Vec ActivationGradient(Vec dz, Vec t, Activation activation) {
  if (activation != Activation::kNone) dz = t > Zero() ? dz : Zero();
  if (activation == Activation::kRelu6) dz = t < Repeat(6.0f) ? dz : Zero();
  return dz;
}

inline Vec ScaleOf(const Affine& affine, int channel, int lanes) {
  return affine.scale ? LoadPart(affine.scale + channel, lanes) : Repeat(1.0f);
}
inline Vec ShiftOf(const Affine& affine, int channel, int lanes) {
  return affine.shift ? LoadPart(affine.shift + channel, lanes) : Zero();
}

// Runs body(index) for whole vectors of a flat array, tail(index, lanes) for what is left.
template <typename Body>
inline void ForFlat(std::size_t count, Body body) {
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) body(Whole{}, i, kWidth);
  if (i < count) body(Part{}, i, static_cast<int>(count - i));
}

}  // namespace

void ApplyAffine(float* y, const float* x, int rows, int channels, const Affine& affine) {
  ForColumns(rows, channels, [&](auto whole, const Block& block) {
    const Vec scale = ScaleOf(affine, block.channel, block.lanes);
    const Vec shift = ShiftOf(affine, block.channel, block.lanes);
    const float* from = x + block.offset;
    float* to = y + block.offset;
    for (int r = 0; r < block.rows; ++r, from += block.stride, to += block.stride) {
      const Vec t = LoadLanes<whole.value>(from, block.lanes) * scale + shift;
      StoreLanes<whole.value>(to, Activate(t, affine.activation), block.lanes);
    }
  });
}

void ColumnMoments(const float* x, int rows, int channels, const float* center, float* sum, float* sumSquares) {
  ForColumns(rows, channels, [&](auto whole, const Block& block) {
    const Vec middle = LoadPart(center + block.channel, block.lanes);
    Vec first = Zero(), second = Zero();
    const float* from = x + block.offset;
    for (int r = 0; r < block.rows; ++r, from += block.stride) {
      const Vec d = LoadLanes<whole.value>(from, block.lanes) - middle;
      first += d;
      second += d * d;
    }
    AddLanes(sum, first, block, channels);
    AddLanes(sumSquares, second, block, channels);
  });
}

void ColumnSum(const float* x, int rows, int channels, float* sum) {
  ForColumns(rows, channels, [&](auto whole, const Block& block) {
    Vec total = Zero();
    const float* from = x + block.offset;
    for (int r = 0; r < block.rows; ++r, from += block.stride) total += LoadLanes<whole.value>(from, block.lanes);
    AddLanes(sum, total, block, channels);
  });
}

void GradientSink(const GradientSinkArgs& args) {
  ForColumns(args.rows, args.channels, [&](auto whole, const Block& block) {
    const bool sums = args.last && args.center != nullptr;
    const Vec scale = ScaleOf(args.affine, block.channel, block.lanes);
    const Vec shift = ShiftOf(args.affine, block.channel, block.lanes);
    const Vec center = sums ? LoadPart(args.center + block.channel, block.lanes) : Zero();
    const Activation activation = args.last ? args.affine.activation : Activation::kNone;
    Vec total = Zero(), weighted = Zero();
    std::ptrdiff_t at = block.offset;
    for (int r = 0; r < block.rows; ++r, at += block.stride) {
      Vec g = LoadLanes<whole.value>(args.dz + at, block.lanes);
      if (args.accumulate) g += LoadLanes<whole.value>(args.g + at, block.lanes);
      if (sums || activation != Activation::kNone) {
        const Vec y = LoadLanes<whole.value>(args.y + at, block.lanes);
        g = ActivationGradient(g, y * scale + shift, activation);
        total += g;
        weighted += g * (y - center);
      }
      StoreLanes<whole.value>(args.g + at, g, block.lanes);
    }
    if (sums) {
      AddLanes(args.sum, total, block, args.channels);
      AddLanes(args.sumTimesCentered, weighted, block, args.channels);
    }
  });
}

void NormBackward(float* dy, const float* g, const float* y, int rows, int channels, const float* a, const float* b,
                  const float* c) {
  ForColumns(rows, channels, [&](auto whole, const Block& block) {
    const Vec va = LoadPart(a + block.channel, block.lanes);
    const Vec vb = LoadPart(b + block.channel, block.lanes);
    const Vec vc = LoadPart(c + block.channel, block.lanes);
    std::ptrdiff_t at = block.offset;
    for (int r = 0; r < block.rows; ++r, at += block.stride) {
      const Vec vg = LoadLanes<whole.value>(g + at, block.lanes);
      const Vec vy = LoadLanes<whole.value>(y + at, block.lanes);
      StoreLanes<whole.value>(dy + at, va * vg + (vb * vy + vc), block.lanes);
    }
  });
}

void Add(float* out, const float* a, const float* b, std::size_t count) {
  ForFlat(count, [&](auto whole, std::size_t i, int lanes) {
    StoreLanes<whole.value>(out + i, LoadLanes<whole.value>(a + i, lanes) + LoadLanes<whole.value>(b + i, lanes),
                            lanes);
  });
}

void Scale(float* x, float factor, std::size_t count) {
  ForFlat(count, [&](auto whole, std::size_t i, int lanes) {
    StoreLanes<whole.value>(x + i, LoadLanes<whole.value>(x + i, lanes) * factor, lanes);
  });
}

void Quantize(const QuantizeArgs& args) {
  const Vec scale = Repeat(args.scale), low = Repeat(args.low), high = Repeat(args.high);
  ForFlat(args.count, [&](auto whole, std::size_t i, int lanes) {
    const Vec x = LoadLanes<whole.value>(args.x + i, lanes);
    Vec y;
    if (args.sign) {
      y = x >= Zero() ? scale : -scale;
    } else {
      // A true division, as in the definition: multiplying by the reciprocal would move exact ties.
      y = RoundToEven(Min(Max(x / scale, low), high)) * scale;
    }
    StoreLanes<whole.value>(args.y + i, y, lanes);
  });
}

void Sgd(const SgdArgs& args) {
  ForFlat(args.count, [&](auto whole, std::size_t i, int lanes) {
    const Vec w = LoadLanes<whole.value>(args.weight + i, lanes);
    const Vec v = LoadLanes<whole.value>(args.velocity + i, lanes) * args.momentum +
                  (LoadLanes<whole.value>(args.gradient + i, lanes) + w * args.weightDecay);
    StoreLanes<whole.value>(args.velocity + i, v, lanes);
    StoreLanes<whole.value>(args.weight + i, w - v * args.learningRate, lanes);
  });
}

void Adam(const AdamArgs& args) {
  ForFlat(args.count, [&](auto whole, std::size_t i, int lanes) {
    const Vec g = LoadLanes<whole.value>(args.gradient + i, lanes);
    const Vec m = LoadLanes<whole.value>(args.first + i, lanes) * args.beta1 + g * (1.0f - args.beta1);
    const Vec v = LoadLanes<whole.value>(args.second + i, lanes) * args.beta2 + g * g * (1.0f - args.beta2);
    const Vec w = LoadLanes<whole.value>(args.weight + i, lanes);
    StoreLanes<whole.value>(args.first + i, m, lanes);
    StoreLanes<whole.value>(args.second + i, v, lanes);
    StoreLanes<whole.value>(args.weight + i, w - m * args.stepSize / (Sqrt(v * args.secondCorrection) + args.epsilon),
                            lanes);
  });
}

void Lerp(float* x, const float* target, float t, std::size_t count) {
  ForFlat(count, [&](auto whole, std::size_t i, int lanes) {
    const Vec blended =
        LoadLanes<whole.value>(x + i, lanes) * (1.0f - t) + LoadLanes<whole.value>(target + i, lanes) * t;
    StoreLanes<whole.value>(x + i, blended, lanes);
  });
}

}  // namespace lathe::LATHE_ISA
