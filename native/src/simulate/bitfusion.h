// BitFusion (Sharma et al., ISCA 2018): rows x columns fusion units, each of which splits into up to 16 multipliers of
// 2 bits and fuses them to what the operands need. Two forms (docs/algorithms/bitfusion.md):
//   BitFusion            ours: the array's cycles of one tile, for the tiled pipeline; knows depthwise and groups
//   SimulateCompatible   the authors' simulator, whole layer: tiling, traffic, stalls and energy as it counts them
#pragma once

#include "simulate/layer.h"

namespace lathe::simulate {

struct BitFusionArray {
  std::int64_t rows = 1;          // N: input channels
  std::int64_t columns = 1;       // M: output channels
  std::int64_t maximum_bits = 8;  // of a whole fusion unit
  std::int64_t minimum_bits = 2;  // of its smallest part

  // Multipliers that one fusion unit gives at these bits: 5 to 8 bits fuse alike, so do 3 and 4, 1 and 2.
  std::int64_t Parallel(std::int64_t weight_bits, std::int64_t activation_bits) const {
    return (maximum_bits / std::max(activation_bits, minimum_bits)) *
           (maximum_bits / std::max(weight_bits, minimum_bits));
  }
};

// The array at one pair of bit-widths. Rows take input positions, columns output channels; a window is gathered from
// the input buffer, so taps and input channels share the rows. Depthwise: channels over columns, taps over rows.
struct BitFusion {
  BitFusionArray array;
  std::int64_t parallel = 1;

  std::int64_t Cycles(const Tile& tile) const {
    const std::int64_t lanes = array.rows * parallel;
    if (tile.depthwise) return tile.pixels() * CeilDiv(tile.groups, array.columns) * CeilDiv(tile.taps(), lanes);
    return tile.groups * tile.pixels() * CeilDiv(tile.outputs, array.columns) * CeilDiv(tile.inner(), lanes);
  }

  // An input goes to all columns at once, a weight to its own unit in every cycle, a sum leaves when it is complete.
  TileAccesses Accesses(const Tile& tile) const {
    const std::int64_t macs = tile.macs();
    const std::int64_t shared = tile.depthwise ? 1 : CeilDiv(tile.outputs, array.columns);
    return {macs, tile.groups * tile.pixels() * tile.inner() * shared, tile.groups * tile.pixels() * tile.outputs, 0};
  }

  double PeakMacsPerCycle() const { return static_cast<double>(array.rows * array.columns * parallel); }
};

}  // namespace lathe::simulate
