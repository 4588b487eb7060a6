// Cutting output rows of a batch into strips that fit in cache, each with the padded input rows it needs.
#pragma once

#include <algorithm>

#include "core/partition.h"
#include "train/tensor.h"

namespace lathe {

struct ConvGeometry {
  Shape in, out;  // of one image
  int kernel = 1, stride = 1, padding = 0;

  int paddedWidth() const { return in.width + 2 * padding; }
  int inputRows(int outRows) const { return (outRows - 1) * stride + kernel; }
  // The padded input rows of `outRows` output rows from `outRow` on.
  PaddedTile Tile(int outRow, int outRows) const { return {outRow * stride - padding, inputRows(outRows), padding}; }
  // Output rows whose padded input fits into half of a first-level cache (16 KiB), but at least enough of them that the
  // overlap of neighbouring strips stays small.
  int StripRows() const {
    const int rowFloats = paddedWidth() * in.channels;
    const int fit = (4096 / std::max(1, rowFloats) - kernel) / stride + 1;
    return std::clamp(fit, std::min(4, out.height), out.height);
  }
};

// Calls body(image, first output row, output rows) for strips covering a range of the batch's output rows.
template <typename Body>
void ForStrips(const ConvGeometry& geometry, Range rows, Body body) {
  const int height = geometry.out.height, strip = geometry.StripRows();
  for (int row = rows.begin; row < rows.end;) {
    const int image = row / height, inImage = row % height;
    const int count = std::min({strip, height - inImage, rows.end - row});
    body(image, inImage, count);
    row += count;
  }
}

}  // namespace lathe
