// The gradient of a convolution's input, as convolutions of the output's gradient: an input pixel hears of the output
// pixels whose windows it lies in. With a stride these differ from pixel to pixel, but are alike for all pixels of one
// phase, (row mod stride, column mod stride): each phase is a convolution of its own with some of the kernel's taps.
#pragma once

#include <vector>

#include "core/aligned.h"
#include "kernels/kernels.h"
#include "train/ops/strips.h"
#include "train/tensor.h"

namespace lathe {

class InputGradient {
 public:
  InputGradient(const Shape& in, const Shape& out, const OpSpec& spec, const Kernels& kernels);

  // weight (out, kernel, kernel, in / groups), packed for Run.
  void Pack(const Kernels& kernels, const float* weight);

  // A rectangle of the output's gradient with zeros where there is no output.
  struct Tile {
    int firstRow = 0, rows = 0, firstColumn = 0, columns = 0;
    std::size_t size(int channels) const { return static_cast<std::size_t>(rows) * columns * channels; }
    std::ptrdiff_t At(int row, int column) const {  // in pixels
      return static_cast<std::ptrdiff_t>(row - firstRow) * columns + (column - firstColumn);
    }
  };
  // What input rows [begin, end) hear of, and at least output rows `own`.
  Tile TileOf(int begin, int end, Range own) const;
  // Fills one for an image whose output begins at pixel `first` of the batch.
  void LoadTile(const GradientSource& source, std::size_t first, const Tile& tile, float* dy) const;

  // dx (rows, width, in) of input rows [begin, end). `offsets` is working memory for OffsetFloats(end - begin) floats.
  void Run(const Kernels& kernels, const Tile& tile, const float* dy, int begin, int end, float* offsets,
           float* dx) const;
  std::size_t OffsetFloats(int rows) const {
    return static_cast<std::size_t>(rows) * in_.width * 2 * sizeof(std::ptrdiff_t) / sizeof(float);
  }

 private:
  struct Tap {
    int row, column;      // of the kernel
    int dyRow, dyColumn;  // of the output pixel, relative to the phase's
  };
  struct Phase {
    int row, column;  // of the first input pixel
    std::vector<Tap> taps;
    std::vector<std::ptrdiff_t> runs;  // of neighbouring taps: where they begin in the tile, from the pixel's base
    std::size_t packed;                // where its weights begin
  };

  // Output row (or column) that belongs to input row `position`, for a tap at offset 0.
  static int Base(int position, int padding, int stride) { return (position + padding) / stride; }
  void AddPhase(int row, int column);
  int columns() const { return lastColumn_ - firstColumn_ + 1; }

  Shape in_, out_;
  OpSpec spec_;
  int groupIn_, groupOut_;
  int firstColumn_ = 0, lastColumn_ = 0;  // of the output's, that some input column hears of; at least all of them
  int firstRow_ = 0, lastRow_ = 0;        // relative to Base
  std::vector<Phase> phases_;
  std::size_t groupPacked_ = 0;  // floats of one group's packed weights
  AlignedFloats packed_, rows_;  // rows_: one phase's weights, unpacked
};

}  // namespace lathe
