#include "core/simd.h"

#include <algorithm>
#include <atomic>

namespace lathe {
namespace {

std::vector<SimdLevel> DetectLevels() {
  std::vector<SimdLevel> levels{SimdLevel::kBaseline};
#if defined(LATHE_HAVE_X86_LEVELS)
  __builtin_cpu_init();
  // GCC's and Clang's test includes the operating system's consent (xgetbv), not the processor's word alone.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    levels.push_back(SimdLevel::kAvx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      levels.push_back(SimdLevel::kAvx512);
    }
  }
#endif
  return levels;
}

std::atomic<SimdLevel>& Active() {
  static std::atomic<SimdLevel> active{AvailableSimdLevels().back()};
  return active;
}

}  // namespace

std::string_view SimdName(SimdLevel level) {
  switch (level) {
    case SimdLevel::kAvx512:
      return "avx512";
    case SimdLevel::kAvx2:
      return "avx2";
    default:
      return "baseline";
  }
}

std::optional<SimdLevel> SimdFromName(std::string_view name) {
  for (SimdLevel level : {SimdLevel::kBaseline, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (SimdName(level) == name) return level;
  }
  return std::nullopt;
}

const std::vector<SimdLevel>& AvailableSimdLevels() {
  // Never destroyed: threads may still read it while the process ends.
  static const auto& levels = *new std::vector<SimdLevel>(DetectLevels());
  return levels;
}

SimdLevel ActiveSimdLevel() { return Active().load(std::memory_order_relaxed); }

bool SetSimdLevel(SimdLevel level) {
  const auto& levels = AvailableSimdLevels();
  if (std::find(levels.begin(), levels.end(), level) == levels.end()) return false;
  Active().store(level, std::memory_order_relaxed);
  return true;
}

}  // namespace lathe
