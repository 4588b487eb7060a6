// The two loops that measure what a processor can do at best.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa/vec.h"

namespace lathe::LATHE_ISA {

// Independent multiply-adds of a round: more than two units with a latency of four or five cycles need, and as many as
// sixteen registers hold.
constexpr int kPeakChains = 12;

float Peak(std::int64_t rounds);
void Triad(float* a, const float* b, const float* c, float factor, std::size_t count);

}  // namespace lathe::LATHE_ISA
