// The authors' simulator of BitFusion, for a whole layer: tiling, traffic, stalls, accesses and energy as it counts
// them. docs/algorithms/bitfusion.md has every formula, and what is better in our own mode (bitfusion.h with tiling.h).
#pragma once

#include "simulate/bitfusion.h"
#include "simulate/cost.h"

namespace lathe::simulate {

// Throws std::invalid_argument for grouped layers, which it does not know, and when no tile fits.
Cost SimulateBitFusionCompatible(const BitFusionArray& array, const Memory& memory, const Energy& energy,
                                 const Layer& layer, std::int64_t batch, std::int64_t weight_bits,
                                 std::int64_t activation_bits);

}  // namespace lathe::simulate
