#include "kernels/kernels.h"

namespace lathe {

namespace baseline {
extern const Kernels kKernels;
}
#if defined(LATHE_HAVE_X86_LEVELS)
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
#endif

const Kernels& KernelsFor(SimdLevel level) {
  switch (level) {
#if defined(LATHE_HAVE_X86_LEVELS)
    case SimdLevel::kAvx512:
      return avx512::kKernels;
    case SimdLevel::kAvx2:
      return avx2::kKernels;
#endif
    default:
      return baseline::kKernels;
  }
}

const Kernels& ActiveKernels() { return KernelsFor(ActiveSimdLevel()); }

}  // namespace lathe
