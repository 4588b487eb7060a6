// A layer as every law sees it, and a tile of one. Sizes are counts of elements; nothing here knows of bits or clocks.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lathe::simulate {

inline std::int64_t CeilDiv(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// A convolution, or a linear layer as a convolution of one pixel. Every field is at least 1.
struct Layer {
  bool linear = false;
  bool first = false;  // reads the network's input: BitFusion's compatible mode unrolls its windows
  std::int64_t in_channels = 1;
  std::int64_t out_channels = 1;
  std::int64_t groups = 1;  // divides both
  std::int64_t kernel_height = 1;
  std::int64_t kernel_width = 1;
  std::int64_t stride_height = 1;
  std::int64_t stride_width = 1;
  std::int64_t dilation_height = 1;
  std::int64_t dilation_width = 1;
  std::int64_t in_height = 1;
  std::int64_t in_width = 1;
  std::int64_t out_height = 1;
  std::int64_t out_width = 1;

  bool operator==(const Layer&) const = default;

  std::int64_t taps() const { return kernel_height * kernel_width; }
  std::int64_t out_pixels() const { return out_height * out_width; }
  std::int64_t group_inputs() const { return in_channels / groups; }
  std::int64_t group_outputs() const { return out_channels / groups; }
  bool depthwise() const { return groups > 1 && groups == in_channels && groups == out_channels; }
  // Multiply-accumulates of one image.
  std::int64_t macs() const { return out_pixels() * out_channels * group_inputs() * taps(); }
  std::int64_t weights() const { return out_channels * group_inputs() * taps(); }
  // Input rows that `rows` output rows look at; padding is no input, so never more than there are.
  std::int64_t InputRows(std::int64_t rows) const {
    return std::min(in_height, (rows - 1) * stride_height + (kernel_height - 1) * dilation_height + 1);
  }
  std::int64_t InputColumns(std::int64_t columns) const {
    return std::min(in_width, (columns - 1) * stride_width + (kernel_width - 1) * dilation_width + 1);
  }
};

// A box of a layer's loops. Channels are of one group.
struct Tile {
  std::int64_t groups = 1;
  std::int64_t images = 1;
  std::int64_t rows = 1;     // of the output
  std::int64_t columns = 1;  // of the output
  std::int64_t inputs = 1;   // input channels
  std::int64_t outputs = 1;  // output channels
  std::int64_t kernel_height = 1;
  std::int64_t kernel_width = 1;
  bool depthwise = false;

  std::int64_t pixels() const { return images * rows * columns; }
  std::int64_t taps() const { return kernel_height * kernel_width; }
  std::int64_t inner() const { return taps() * inputs; }  // positions that one output sums over
  std::int64_t macs() const { return groups * pixels() * outputs * inner(); }
};

// Words that the array reads from its buffers and writes back while it works on a tile. Negative: the law does not
// tell.
struct TileAccesses {
  std::int64_t weight_reads = 0;
  std::int64_t input_reads = 0;
  std::int64_t output_writes = 0;
  std::int64_t output_reads = 0;  // partial sums within the tile
};

}  // namespace lathe::simulate
