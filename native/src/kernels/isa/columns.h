// Walking a contiguous (rows, channels) tile by blocks of columns: the body runs down the rows with its columns'
// parameters in registers. A block is up to kGroup neighbouring vectors, so that a tile of few channels is read in
// memory order, which is what the hardware's prefetching follows. Narrow tiles are walked as rows of whole vectors,
// with periodic parameters (ChannelVectorSize), so that 8 channels still fill 16 lanes.
#pragma once

#include "kernels/isa/vec.h"
#include "kernels/kernels.h"

namespace lathe::LATHE_ISA {
namespace {

// Up to `vectors` vectors wide, each `lanes` lanes; less than whole ones only where vectors is 1.
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

// Tells a body at compile time how wide its block is: kVectors vectors, whole ones or (then a single one) a part.
template <int kCount, bool kIsWhole>
struct Columns {
  static constexpr int vectors = kCount;
  static constexpr bool whole = kIsWhole;
};
using Part = Columns<1, false>;

// Parameters of four vectors fit into the registers beside the values; with 16 registers those of two do.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kGroup = 4;
#else
constexpr int kGroup = 2;
#endif

// Calls body(Columns, block) for blocks that together cover the tile once.
template <typename Body>
inline void ForColumns(int rows, int channels, Body body) {
  if (channels < kWidth && kWidth % channels == 0) {
    const int pixels = kWidth / channels;
    const int wide = rows / pixels;
    if (wide > 0) body(Columns<1, true>{}, Block{wide, kWidth, 0, 0, kWidth, true});
    const int left = rows - wide * pixels;
    if (left > 0) body(Part{}, Block{1, kWidth, static_cast<std::ptrdiff_t>(wide) * kWidth, 0, left * channels, true});
    return;
  }
  int channel = 0;
  const auto take = [&](auto columns) {
    constexpr int lanes = columns.vectors * kWidth;
    for (; channel + lanes <= channels; channel += lanes) {
      body(columns, Block{rows, channels, channel, channel, kWidth, false});
    }
  };
  if constexpr (kGroup >= 4) take(Columns<4, true>{});
  take(Columns<2, true>{});
  take(Columns<1, true>{});
  if (channel < channels) body(Part{}, Block{rows, channels, channel, channel, channels - channel, false});
}

// A block's part of a per-channel vector.
template <typename C>
inline void LoadChannels(Vec (&out)[C::vectors], const float* vector, const Block& block, float fallback) {
#pragma GCC unroll 4
  for (int v = 0; v < C::vectors; ++v) {
    out[v] = vector ? LoadLanes<C::whole>(vector + block.channel + v * kWidth, block.lanes) : Repeat(fallback);
  }
}

// Adds the lane sums of a block's vector `v` to their channels, in lane order.
inline void AddLanes(float* sums, Vec lanes, const Block& block, int channels, int v = 0) {
  if (!block.folded && block.lanes == kWidth) {
    float* to = sums + block.channel + v * kWidth;
    Store(to, Load(to) + lanes);
    return;
  }
  alignas(sizeof(Vec)) float buffer[kWidth];
  Store(buffer, lanes);
  for (int i = 0; i < block.lanes; ++i) sums[block.folded ? i % channels : block.channel + i] += buffer[i];
}

}  // namespace
}  // namespace lathe::LATHE_ISA
