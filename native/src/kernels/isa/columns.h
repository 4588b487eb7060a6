// Walking a contiguous (rows, channels) tile by columns of one vector: the body gets a column's lanes and runs down the
// rows with the column's parameters in registers. Narrow tiles are walked as rows of whole vectors, with periodic
// parameters (ChannelVectorSize), so that 8 channels still fill 16 lanes.
#pragma once

#include "kernels/isa/vec.h"
#include "kernels/kernels.h"

namespace lathe::LATHE_ISA {
namespace {

// A column block: rows of `stride` floats, `lanes` lanes from `offset` on.
struct Block {
  int rows;
  std::ptrdiff_t stride;
  std::ptrdiff_t offset;  // into the tile
  int channel;            // into per-channel vectors
  int lanes;
  bool folded;  // lanes hold several pixels: lane i is channel i % channels
};

template <bool kWhole>
inline Vec LoadLanes(const float* p, [[maybe_unused]] int lanes) {
  if constexpr (kWhole) {
    return Load(p);
  } else {
    return LoadPart(p, lanes);
  }
}
template <bool kWhole>
inline void StoreLanes(float* p, Vec v, [[maybe_unused]] int lanes) {
  if constexpr (kWhole) {
    Store(p, v);
  } else {
    StorePart(p, v, lanes);
  }
}

struct Whole {
  static constexpr bool value = true;
};
struct Part {
  static constexpr bool value = false;
};

// Calls body(Whole or Part, block) for blocks that together cover the tile once.
template <typename Body>
inline void ForColumns(int rows, int channels, Body body) {
  if (channels < kWidth && kWidth % channels == 0) {
    const int pixels = kWidth / channels;
    const int wide = rows / pixels;
    if (wide > 0) body(Whole{}, Block{wide, kWidth, 0, 0, kWidth, true});
    const int left = rows - wide * pixels;
    if (left > 0) {
      body(Part{}, Block{1, kWidth, static_cast<std::ptrdiff_t>(wide) * kWidth, 0, left * channels, true});
    }
    return;
  }
  int channel = 0;
  for (; channel + kWidth <= channels; channel += kWidth) {
    body(Whole{}, Block{rows, channels, channel, channel, kWidth, false});
  }
  if (channel < channels) body(Part{}, Block{rows, channels, channel, channel, channels - channel, false});
}

// Adds a block's lane sums to their channels, in lane order.
inline void AddLanes(float* sums, Vec lanes, const Block& block, int channels) {
  if (!block.folded && block.lanes == kWidth) {
    Store(sums + block.channel, Load(sums + block.channel) + lanes);
    return;
  }
  alignas(sizeof(Vec)) float buffer[kWidth];
  Store(buffer, lanes);
  for (int i = 0; i < block.lanes; ++i) sums[block.folded ? i % channels : block.channel + i] += buffer[i];
}

}  // namespace
}  // namespace lathe::LATHE_ISA
