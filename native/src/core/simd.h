// Which instruction set the kernels use: found once by cpuid, changeable for tests.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace lathe {

enum class SimdLevel { kBaseline, kAvx2, kAvx512 };

std::string_view SimdName(SimdLevel level);
std::optional<SimdLevel> SimdFromName(std::string_view name);

// Levels that were compiled in and that this processor and its system run, lowest first.
const std::vector<SimdLevel>& AvailableSimdLevels();

// The level of calls that begin from now on; starts as the highest available one.
SimdLevel ActiveSimdLevel();

// Returns false, and changes nothing, where the level is not available.
bool SetSimdLevel(SimdLevel level);

}  // namespace lathe
