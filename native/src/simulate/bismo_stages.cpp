// BISMO by the minima of its stages (github.com/EECS-NTNU/bismo, doc/instrumentation.md). A product of `left` rows,
// `right` columns and `inner` positions; its loop is: for each stripe of columns, load it; for each stripe of rows,
// load it, execute all pairs of bit planes, write one tile of results.
#include <algorithm>

#include "simulate/bismo.h"

namespace lathe::simulate {
namespace {

struct Side {
  std::int64_t rows = 0;  // pixels, or output channels
  std::int64_t bits = 0;
};

struct Stages {
  std::int64_t execute = 0;  // cycles
  std::int64_t left_bits = 0;
  std::int64_t right_bits = 0;
  std::int64_t result_bits = 0;
  std::int64_t fill = 0;  // cycles of the first stripes' fetch and of the last tile's way out
  std::int64_t cycles = 0;
};

// One product. A stripe is a tile's rows over all inner positions and bits; when it is larger than a region, the inner
// positions are cut, and the right stripe is fetched again with every left one.
Stages Product(const BismoStages& target, const Side& left, const Side& right, std::int64_t inner,
               std::int64_t repeats) {
  const std::int64_t words = CeilDiv(inner, target.word_bits);
  const std::int64_t left_tiles = CeilDiv(left.rows, target.rows);
  const std::int64_t right_tiles = CeilDiv(right.rows, target.columns);
  const std::int64_t left_stripe = words * left.bits;  // entries
  const std::int64_t right_stripe = words * right.bits;
  const bool fits =
      left_stripe <= target.left_entries / target.regions && right_stripe <= target.right_entries / target.regions;
  CheckCount(static_cast<double>(left_tiles) * static_cast<double>(right_tiles) * static_cast<double>(words) * 64 *
             static_cast<double>(repeats) * static_cast<double>(target.word_bits) *
             static_cast<double>(target.rows + target.columns));
  Stages stages;
  stages.execute = repeats * left_tiles * right_tiles * words * left.bits * right.bits;
  const std::int64_t left_tile_bits = target.rows * left_stripe * target.word_bits;
  const std::int64_t right_tile_bits = target.columns * right_stripe * target.word_bits;
  stages.left_bits = repeats * left_tiles * left_tile_bits * right_tiles;
  stages.right_bits = repeats * right_tiles * right_tile_bits * (fits ? 1 : left_tiles);
  const std::int64_t result_tile_bits = target.rows * target.columns * target.sum_bits;
  stages.result_bits = repeats * left_tiles * right_tiles * result_tile_bits;
  const std::int64_t bus = target.port_bits;
  // One port for both ways: what is fetched and what is written add up.
  const std::int64_t moved = CeilDiv(stages.left_bits + stages.right_bits + stages.result_bits, bus);
  const std::int64_t first_fetch =
      CeilDiv(std::min(left_tile_bits + right_tile_bits, stages.left_bits + stages.right_bits), bus);
  stages.fill = first_fetch + CeilDiv(result_tile_bits, bus);
  stages.cycles = std::max(moved, stages.execute + stages.fill);
  return stages;
}

}  // namespace

Cost SimulateBismoStages(const BismoStages& target, const Layer& layer, std::int64_t batch, std::int64_t weight_bits,
                         std::int64_t activation_bits) {
  std::int64_t inner = layer.taps() * layer.group_inputs();
  std::int64_t outputs = layer.group_outputs();
  std::int64_t repeats = layer.groups;
  if (layer.depthwise()) {
    const std::int64_t group = target.depthwise_group_channels;
    inner = layer.taps() * group;
    outputs = group;
    repeats = CeilDiv(layer.in_channels, group);
  }
  const Side weights = {outputs, weight_bits};
  const Side activations = {layer.out_pixels() * batch, activation_bits};
  // Which operand stands left is the programmer's choice: the faster.
  const Stages weights_left = Product(target, weights, activations, inner, repeats);
  const Stages weights_right = Product(target, activations, weights, inner, repeats);
  const bool left = weights_left.cycles <= weights_right.cycles;
  const Stages& chosen = left ? weights_left : weights_right;
  Cost cost;
  cost.cycles = chosen.cycles;
  cost.compute_cycles = chosen.execute;
  cost.weight_bits = left ? chosen.left_bits : chosen.right_bits;
  cost.input_bits = left ? chosen.right_bits : chosen.left_bits;
  cost.output_bits = chosen.result_bits;
  cost.peak_macs_per_cycle = static_cast<double>(target.rows * target.columns * target.word_bits) /
                             static_cast<double>(weight_bits * activation_bits);
  return cost;
}

}  // namespace lathe::simulate
