#include "kernels/integer/integer.h"

namespace lathe {

#if defined(LATHE_HAVE_X86_LEVELS)
extern const IntegerKernels kAvx2IntegerKernels;
const IntegerKernels& VnniIntegerKernels();
#endif

const IntegerKernels& IntegerKernelsFor(SimdLevel level) {
#if defined(LATHE_HAVE_X86_LEVELS)
  if (level == SimdLevel::kAvx512) {
    // Processors with the AVX-512 that the float kernels need do not all have VNNI.
    static const bool hasVnni = __builtin_cpu_supports("avx512vnni");
    return hasVnni ? VnniIntegerKernels() : kAvx2IntegerKernels;
  }
  if (level == SimdLevel::kAvx2) return kAvx2IntegerKernels;
#endif
  static_cast<void>(level);
  return ScalarIntegerKernels();
}

void PackIntegerWeights(const IntegerKernels& kernels, const std::int8_t* weights, int k, int n, std::int8_t* packed) {
  const int panel = kernels.panel, group = kernels.group, depth = PaddedDepth(kernels, k);
  for (int column = 0; column < n; column += panel) {
    for (int p = 0; p < depth; p += group) {
      for (int j = column; j < column + panel; ++j) {
        for (int i = p; i < p + group; ++i) {
          *packed++ = j < n && i < k ? weights[static_cast<std::ptrdiff_t>(j) * k + i] : std::int8_t{0};
        }
      }
    }
  }
}

}  // namespace lathe
