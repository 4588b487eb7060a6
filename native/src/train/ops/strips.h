// Cutting rows of a batch into strips that fit in cache, each with the padded input rows it needs.
#pragma once

#include <algorithm>

#include "core/partition.h"
#include "train/tensor.h"

namespace lathe {

struct ConvGeometry {
  Shape in, out;  // of one image
  Pair kernel, stride, dilation;
  Padding padding;

  ConvGeometry(const Shape& input, const Shape& output, const OpSpec& spec)
      : in(input),
        out(output),
        kernel(spec.kernel),
        stride(spec.stride),
        dilation(spec.dilation),
        padding(spec.padding) {}

  int paddedWidth() const { return padding.left + in.width + padding.right; }
  int spanHeight() const { return (kernel.height - 1) * dilation.height + 1; }
  int inputRows(int outRows) const { return (outRows - 1) * stride.height + spanHeight(); }
  // The padded input rows of `outRows` output rows from `outRow` on.
  PaddedTile Tile(int outRow, int outRows) const {
    return {outRow * stride.height - padding.top, inputRows(outRows), padding.left, padding.right};
  }
  // The image with all of its padding.
  PaddedTile Whole() const {
    return {-padding.top, padding.top + in.height + padding.bottom, padding.left, padding.right};
  }
  // Output rows whose padded input fits into `floats`, but at least enough of them that the overlap of neighbouring
  // strips stays small.
  int StripRows(int floats) const {
    const int rowFloats = paddedWidth() * in.channels;
    const int fit = (floats / std::max(1, rowFloats) - spanHeight()) / stride.height + 1;
    return std::clamp(fit, std::min(4, out.height), out.height);
  }
};

// Calls body(image, first row, rows) for strips of at most `strip` rows that cover a range of the batch's rows, of
// which an image has `height`.
template <typename Body>
void ForStrips(int height, int strip, Range rows, Body body) {
  for (int row = rows.begin; row < rows.end;) {
    const int image = row / height, inImage = row % height;
    const int count = std::min({strip, height - inImage, rows.end - row});
    body(image, inImage, count);
    row += count;
  }
}

}  // namespace lathe
