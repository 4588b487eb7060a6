// The tiled law: an array (systolic, row stationary or BitFusion) behind three double-buffered buffers and one bus. A
// layer is cut into tiles that fit half of each buffer; of all tilings and loop orders within the memory's slack of the
// fewest cycles, the one with the least traffic is taken. The candidates do not depend on the buffers, the bits or the
// bus: those only decide which fit and how long they take, so that without slack more of them is never slower.
// docs/algorithms/systolic.md has it all.
#pragma once

#include <string>
#include <variant>

#include "simulate/bitfusion.h"
#include "simulate/cost.h"
#include "simulate/pipeline.h"
#include "simulate/row_stationary.h"
#include "simulate/systolic.h"

namespace lathe::simulate {

using Array = std::variant<Systolic, RowStationary, BitFusion>;

// One layer at one pair of bit-widths on one machine.
struct TiledProblem {
  Array array;
  Memory memory;
  const Energy* energy = nullptr;  // null: unknown
  Layer layer;
  std::int64_t batch = 1;
  std::int64_t weight_bits = 8;
  std::int64_t activation_bits = 8;  // of inputs, and of outputs, which leave at the same bits
};

// Full sizes; the tile of a loop's last step may be smaller.
struct Tiling {
  Tile tile;
  LoopOrder order = LoopOrder::kPOI;
};

// The best tiling. Throws std::invalid_argument when not even the smallest tile fits.
Tiling SearchTiling(const TiledProblem& problem);

// The tiling's loops and sizes in cycles. At most five levels: groups, and three in the tiling's order of which the
// pixels take two.
Nest MakeNest(const TiledProblem& problem, const Tiling& tiling);

// A tile of a class of the nest.
Tile TileAt(const TiledProblem& problem, const Tiling& tiling, int tile_class);

// Cycles, traffic, accesses and energy of a tiling.
Cost CostOf(const TiledProblem& problem, const Tiling& tiling);

}  // namespace lathe::simulate
