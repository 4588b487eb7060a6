// A row-stationary array after Eyeriss (Chen et al., ISCA 2016): a processing element holds a row of the kernel and
// slides it over a row of the input; a column of elements adds the rows of a kernel up to a row of the output
// (docs/algorithms/systolic.md). Only cycles: what its register files do is not modelled.
#pragma once

#include "simulate/layer.h"

namespace lathe::simulate {

struct RowStationary {
  std::int64_t rows = 1;
  std::int64_t columns = 1;

  // Kernel rows stand in the array's rows (as many kernels above each other as fit), output rows in its columns; an
  // element takes kernel_width cycles for an output. A kernel higher than the array is folded.
  std::int64_t Cycles(const Tile& tile) const {
    const std::int64_t kernels = std::max<std::int64_t>(1, rows / tile.kernel_height);
    const std::int64_t folds = CeilDiv(tile.kernel_height, rows);
    const std::int64_t pairs = tile.groups * tile.inputs * tile.outputs;
    return CeilDiv(pairs, kernels) * folds * CeilDiv(tile.images * tile.rows, columns) * tile.columns *
           tile.kernel_width;
  }

  TileAccesses Accesses(const Tile&) const { return {-1, -1, -1, -1}; }

  double PeakMacsPerCycle() const { return static_cast<double>(rows * columns); }
};

}  // namespace lathe::simulate
