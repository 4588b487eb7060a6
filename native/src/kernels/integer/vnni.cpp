// The integer product with AVX-512 VNNI: VPDPBUSD sums four products of an unsigned and a signed byte into 32 bits,
// without saturation on the way. Signed activations move up by 128 to become unsigned; 128 times the sum of a column's
// weights is taken off again. Everything but this file's seven lines of intrinsics is shared with the emulated form
// that tests run on every processor. The other kernels are AVX2's.
#include "kernels/integer/tile.h"

#if defined(__AVX512VNNI__)
#include <immintrin.h>

namespace lathe {
namespace {

struct DotBytes {
  // 12 x 2 sums, two vectors of weights and a repeated group leave five of 32 registers; 24 products in flight cover
  // the latency of 5 cycles on two ports.
  static constexpr int kWidth = 16, kGroup = 4, kRows = 12;
  using Sum = __m512i;
  using Codes = __m512i;
  using Element = std::uint8_t;
  static Sum Zero() { return _mm512_setzero_si512(); }
  static Codes LoadWeights(const std::int8_t* p) { return _mm512_loadu_si512(p); }
  static Codes Repeat(const Element* p) {
    int four;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Sum Add(Sum sum, Codes a, Codes b) { return _mm512_dpbusd_epi32(sum, a, b); }
  static void Store(std::int32_t* p, Sum sum) { _mm512_storeu_si512(p, sum); }
};

void Prepare(const std::uint8_t* codes, bool isSigned, int k, void* out) {
  PrepareOffsetBytes(codes, isSigned, k, DotBytes::kGroup, static_cast<std::uint8_t*>(out));
}

}  // namespace

extern const IntegerKernels kAvx2IntegerKernels;

const IntegerKernels& VnniIntegerKernels() {
  static const IntegerKernels kernels = {
      .name = "vnni",
      .rows = DotBytes::kRows,
      .panel = kPanelVectors * DotBytes::kWidth,
      .group = DotBytes::kGroup,
      .elementBytes = 1,
      .offset = 128,
      .prepare = Prepare,
      .gemm = IntegerProduct<DotBytes>,
      .depthwise = kAvx2IntegerKernels.depthwise,
      .requantize = kAvx2IntegerKernels.requantize,
      .encode = kAvx2IntegerKernels.encode,
  };
  return kernels;
}

}  // namespace lathe
#endif
