// Activations and their derivatives on vectors, chosen at compile time; kernels/kernels.h says what each is. Not a
// number stays not a number through all of them, so that a training that goes wrong is noticed.
#pragma once

#include "kernels/isa/vec.h"
#include "kernels/kernels.h"

namespace lathe::LATHE_ISA {
namespace {

typedef int IntVec __attribute__((vector_size(kWidth * sizeof(int))));
typedef unsigned UintVec __attribute__((vector_size(kWidth * sizeof(unsigned))));

// The second operand is what a comparison with not-a-number leaves.
inline Vec Clamp(Vec x, Vec low, Vec high) { return Min(high, Max(low, x)); }

inline Vec Size(Vec x) { return Max(-x, x); }

// e^x within 2 units in the last place for x in [-87, 88], beyond that the value at the end. Reduced to |r| <= ln(2) /
// 2 and a polynomial of degree 6, with the coefficients of Moshier's Cephes library (expf).
inline Vec Exp(Vec x) {
  x = Clamp(x, Repeat(-87.0f), Repeat(88.0f));
  const Vec n = RoundToEven(x * 1.44269504088896341f);
  const Vec r = MulAdd(n, Repeat(2.12194440e-4f), MulAdd(n, Repeat(-0.693359375f), x));
  Vec p = Repeat(1.9875691500e-4f);
  p = MulAdd(p, r, Repeat(1.3981999507e-3f));
  p = MulAdd(p, r, Repeat(8.3334519073e-3f));
  p = MulAdd(p, r, Repeat(4.1665795894e-2f));
  p = MulAdd(p, r, Repeat(1.6666665459e-1f));
  p = MulAdd(p, r, Repeat(5.0000001201e-1f));
  p = MulAdd(p, r * r, r) + 1.0f;
  const UintVec power = ((UintVec) __builtin_convertvector(n, IntVec) + 127u) << 23;
  return p * (Vec)power;
}

inline Vec Sigmoid(Vec x) { return 1.0f / (1.0f + Exp(-x)); }

// Near zero an odd polynomial (Cephes, tanhf), where the quotient would cancel.
inline Vec Tanh(Vec x) {
  const Vec z = x * x;
  Vec p = Repeat(-5.70498872745e-3f);
  p = MulAdd(p, z, Repeat(2.06390887954e-2f));
  p = MulAdd(p, z, Repeat(-5.37397155531e-2f));
  p = MulAdd(p, z, Repeat(1.33314422036e-1f));
  p = MulAdd(p, z, Repeat(-3.33332819422e-1f));
  const Vec near = MulAdd(p * z, x, x);
  const Vec size = Size(x);
  const Vec far = 1.0f - 2.0f / (Exp(size + size) + 1.0f);
  return size < 0.625f ? near : (x < Zero() ? -far : far);
}

// The value at t; alpha and beta are those of Affine.
template <Activation kActivation>
inline Vec Activate(Vec t, [[maybe_unused]] Vec alpha, [[maybe_unused]] Vec beta) {
  if constexpr (kActivation == Activation::kRelu) return Max(Zero(), t);
  if constexpr (kActivation == Activation::kRelu6) return Clamp(t, Zero(), Repeat(6.0f));
  if constexpr (kActivation == Activation::kClip) return Clamp(t, alpha, beta);
  if constexpr (kActivation == Activation::kLeakyRelu) return t > Zero() ? t : t * alpha;
  if constexpr (kActivation == Activation::kHardSwish) {
    return t * Clamp(t + 3.0f, Zero(), Repeat(6.0f)) * (1.0f / 6.0f);
  }
  if constexpr (kActivation == Activation::kHardSigmoid) return Clamp(MulAdd(t, alpha, beta), Zero(), Repeat(1.0f));
  if constexpr (kActivation == Activation::kSigmoid) return Sigmoid(t);
  if constexpr (kActivation == Activation::kSwish) return t * Sigmoid(t);
  if constexpr (kActivation == Activation::kTanh) return Tanh(t);
  return t;
}

// dz times the derivative at t. At a kink it is the one from the flat side.
template <Activation kActivation>
inline Vec ActivationGradient(Vec dz, Vec t, [[maybe_unused]] Vec alpha, [[maybe_unused]] Vec beta) {
  if constexpr (kActivation == Activation::kRelu) return t > Zero() ? dz : Zero();
  if constexpr (kActivation == Activation::kRelu6) {
    dz = t > Zero() ? dz : Zero();
    return t < Repeat(6.0f) ? dz : Zero();
  }
  if constexpr (kActivation == Activation::kClip) {
    dz = t > alpha ? dz : Zero();
    return t < beta ? dz : Zero();
  }
  if constexpr (kActivation == Activation::kLeakyRelu) return t > Zero() ? dz : dz * alpha;
  if constexpr (kActivation == Activation::kHardSwish) {
    const Vec inside = dz * MulAdd(t, Repeat(1.0f / 3.0f), Repeat(0.5f));
    return t > Repeat(-3.0f) ? (t < Repeat(3.0f) ? inside : dz) : Zero();
  }
  if constexpr (kActivation == Activation::kHardSigmoid) {
    const Vec line = MulAdd(t, alpha, beta);
    return line > Zero() ? (line < Repeat(1.0f) ? dz * alpha : Zero()) : Zero();
  }
  if constexpr (kActivation == Activation::kSigmoid) {
    const Vec q = Exp(-Size(t));  // s * (1 - s) without a difference
    return dz * (q / ((1.0f + q) * (1.0f + q)));
  }
  if constexpr (kActivation == Activation::kSwish) {
    const Vec s = Sigmoid(t);
    return dz * (s * MulAdd(t, 1.0f - s, Repeat(1.0f)));
  }
  if constexpr (kActivation == Activation::kTanh) {
    const Vec q = Exp(-2.0f * Size(t));  // 1 - tanh(t)^2 without a difference
    return dz * (4.0f * q / ((1.0f + q) * (1.0f + q)));
  }
  return dz;
}

// Calls body.operator()<activation>() with the activation as a constant.
template <typename Body>
inline void WithActivation(Activation activation, Body body) {
  switch (activation) {
    case Activation::kNone:
      return body.template operator()<Activation::kNone>();
    case Activation::kRelu:
      return body.template operator()<Activation::kRelu>();
    case Activation::kRelu6:
      return body.template operator()<Activation::kRelu6>();
    case Activation::kClip:
      return body.template operator()<Activation::kClip>();
    case Activation::kLeakyRelu:
      return body.template operator()<Activation::kLeakyRelu>();
    case Activation::kHardSwish:
      return body.template operator()<Activation::kHardSwish>();
    case Activation::kHardSigmoid:
      return body.template operator()<Activation::kHardSigmoid>();
    case Activation::kSigmoid:
      return body.template operator()<Activation::kSigmoid>();
    case Activation::kSwish:
      return body.template operator()<Activation::kSwish>();
    case Activation::kTanh:
      return body.template operator()<Activation::kTanh>();
  }
}

}  // namespace
}  // namespace lathe::LATHE_ISA
