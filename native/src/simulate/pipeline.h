// A nest of loops over tiles, and the time that it takes on one bus and one array with double buffering:
//
//   bus    L0 L1 S0 L2 S1 L3 S2 ...    a tile is loaded while the one before it is worked on, and the one before that
//   array     C0 ...  C1 ...  C2       is stored; the bus keeps this order
//
// Load t begins when the bus is free and the half of the buffers that step t - 2 used is (its compute is done); compute
// t when its load and compute t - 1 are done; store t when compute t and the bus are. A step loads only what changed
// since the step before, and stores its output only when the next step works on another.
//
// Two forms that give the same cycles: Replay walks tile by tile; SteadyState uses that a step is a linear map of the
// (max, +) algebra, so that a loop is a power of a matrix and a nest costs the logarithm of its steps.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

namespace lathe::simulate {

inline constexpr int kMaxLevels = 5;
inline constexpr int kTileClasses = 1 << kMaxLevels;

// Which tensors' tiles change with a loop.
enum Tensor : std::uint8_t { kInput = 1, kWeight = 2, kOutput = 4 };

struct Level {
  std::int64_t count = 1;  // at least 1
  bool rest = false;       // the last tile is smaller; only when count > 1
  bool reduction = false;  // input channels: its steps add to the same output
  std::uint8_t tensors = 0;
};

// Outermost level first. Bit l of a tile class is set at the rest tile of level l. Everything in cycles.
struct Nest {
  int depth = 0;
  std::array<Level, kMaxLevels> levels;
  struct Sizes {
    std::int64_t compute = 0;
    std::int64_t input = 0;
    std::int64_t weight = 0;
    std::int64_t partial = 0;  // an output that is not complete, on its way out or back in
    std::int64_t output = 0;   // a complete one
  };
  std::array<Sizes, kTileClasses> sizes;

  std::int64_t steps() const {
    std::int64_t product = 1;
    for (int l = 0; l < depth; ++l) product *= levels[l].count;
    return product;
  }
};

// Cycles until the last store is done.
std::int64_t SteadyState(const Nest& nest);

// One tile's way through the pipeline, in cycles since the layer began.
struct Step {
  std::int64_t index = 0;
  int tile_class = 0;
  std::int64_t load_begin = 0;
  std::int64_t weight_load = 0;  // cycles of the load, in this order on the bus
  std::int64_t input_load = 0;
  std::int64_t partial_load = 0;
  std::int64_t load_end = 0;
  std::int64_t compute_begin = 0;
  std::int64_t compute_end = 0;
  std::int64_t store_begin = 0;
  std::int64_t store_end = 0;  // equal to store_begin: nothing is stored
  bool complete = false;       // what is stored is a complete output
};

// The same by walking every tile; `visit` sees each, in order, until it returns false. Returns the cycles until the
// last store of what was walked.
std::int64_t Replay(const Nest& nest, const std::function<bool(const Step&)>& visit);

}  // namespace lathe::simulate
