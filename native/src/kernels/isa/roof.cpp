#include "kernels/isa/roof.h"

namespace lathe::LATHE_ISA {

float Peak(std::int64_t rounds) {
  Vec sums[kPeakChains];
  for (int i = 0; i < kPeakChains; ++i) sums[i] = Repeat(static_cast<float>(i));
  const Vec factor = Repeat(0.999f), term = Repeat(0.001f);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kPeakChains; ++i) sums[i] = MulAdd(sums[i], factor, term);
  }
  Vec total = Zero();
  for (const Vec& sum : sums) total += sum;
  alignas(sizeof(Vec)) float lanes[kWidth];
  Store(lanes, total);
  return lanes[0];
}

void Triad(float* a, const float* b, const float* c, float factor, std::size_t count) {
  const Vec times = Repeat(factor);
  for (std::size_t i = 0; i + kWidth <= count; i += kWidth) Store(a + i, MulAdd(times, Load(c + i), Load(b + i)));
}

}  // namespace lathe::LATHE_ISA
