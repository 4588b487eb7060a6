// Register-blocked matrix product; see GemmArgs for the operands.
#pragma once

#include "kernels/isa/vec.h"
#include "kernels/kernels.h"

namespace lathe::LATHE_ISA {

// The register tile is kGemmRows x (2 vectors). With 32 registers 14 x 2 = 28 accumulators leave two for b and two
// spare, and 28 multiply-adds in flight cover the latency (4 cycles x 2 ports = 8) with 16 loads, so loads never bound
// it. With 16 registers 6 x 2 = 12 accumulators leave two for b and one for the repeated element of a.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kGemmRows = 14;
#else
constexpr int kGemmRows = 6;
#endif
constexpr int kGemmPanel = 2 * kWidth;

// Steps of k at a time with a transposed: their panel of b, copied together, fills a quarter of a first-level cache.
constexpr int kTransposedSteps = 2048 / kGemmPanel;

void Gemm(const GemmArgs& args);
void PackRows(const float* source, std::ptrdiff_t ld, int k, int n, float* packed);
void PackColumns(const float* source, std::ptrdiff_t ld, int k, int n, float* packed);

}  // namespace lathe::LATHE_ISA
