// A systolic array of rows x columns multipliers, output, weight or input stationary: cycles and buffer accesses of one
// tile, as SCALE-Sim v3 counts them (docs/algorithms/systolic.md). Bits change nothing here: the multipliers are fixed.
//
// A tile is the product (pixels x inner) times (inner x outputs), once for each group. It is cut into folds that fill
// the array and do not overlap; filling and draining use the full array, in a last fold too.
#pragma once

#include "simulate/layer.h"

namespace lathe::simulate {

enum class Dataflow { kOutputStationary, kWeightStationary, kInputStationary };

struct Systolic {
  Dataflow dataflow = Dataflow::kOutputStationary;
  std::int64_t rows = 1;
  std::int64_t columns = 1;

  std::int64_t Cycles(const Tile& tile) const {
    const std::int64_t pixels = tile.pixels();
    const std::int64_t inner = tile.inner();
    std::int64_t folds = 0;
    std::int64_t fold_cycles = 0;
    switch (dataflow) {
      case Dataflow::kOutputStationary:
        folds = CeilDiv(pixels, rows) * CeilDiv(tile.outputs, columns);
        fold_cycles = rows + columns + inner - 2;
        break;
      case Dataflow::kWeightStationary:
        folds = CeilDiv(inner, rows) * CeilDiv(tile.outputs, columns);
        fold_cycles = 2 * rows + columns + pixels - 2;
        break;
      case Dataflow::kInputStationary:
        folds = CeilDiv(inner, rows) * CeilDiv(pixels, columns);
        fold_cycles = 2 * rows + columns + tile.outputs - 2;
        break;
    }
    return tile.groups * folds * fold_cycles;
  }

  TileAccesses Accesses(const Tile& tile) const {
    const std::int64_t pixels = tile.pixels();
    const std::int64_t inner = tile.inner();
    const std::int64_t outputs = tile.outputs;
    TileAccesses words;
    switch (dataflow) {
      case Dataflow::kOutputStationary:
        words = {inner * outputs * CeilDiv(pixels, rows), pixels * inner * CeilDiv(outputs, columns), pixels * outputs,
                 0};
        break;
      case Dataflow::kWeightStationary:
      case Dataflow::kInputStationary: {
        const std::int64_t passes = CeilDiv(inner, rows);  // each adds to the sums of the one before
        const bool weights_stay = dataflow == Dataflow::kWeightStationary;
        words = {inner * outputs * (weights_stay ? 1 : CeilDiv(pixels, columns)),
                 pixels * inner * (weights_stay ? CeilDiv(outputs, columns) : 1), pixels * outputs * passes,
                 pixels * outputs * (passes - 1)};
        break;
      }
    }
    return {tile.groups * words.weight_reads, tile.groups * words.input_reads, tile.groups * words.output_writes,
            tile.groups * words.output_reads};
  }

  double PeakMacsPerCycle() const { return static_cast<double>(rows * columns); }
};

}  // namespace lathe::simulate
