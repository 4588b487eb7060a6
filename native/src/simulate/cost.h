// What a layer costs on a target. All of the whole batch.
#pragma once

#include <cstdint>
#include <limits>
#include <stdexcept>

#include "simulate/layer.h"

namespace lathe::simulate {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// Doubles tell counts below 2^53 exactly. Throws std::range_error above.
inline void CheckCount(double count) {
  if (!(count < 9007199254740992.0)) {
    throw std::range_error("it is too large to simulate: its counts would exceed 2^53");
  }
}

// The order of the loops over tiles, outermost first: pixels (images, rows, columns), output channels, input channels.
// Groups are always outside of all three.
enum class LoopOrder { kPOI, kPIO, kOPI, kOIP, kIPO, kIOP };
inline constexpr int kLoopOrders = 6;

struct Cost {
  std::int64_t cycles = 0;
  std::int64_t compute_cycles = 0;  // in which the array works
  // Traffic with the memory, in bits.
  std::int64_t weight_bits = 0;
  std::int64_t input_bits = 0;
  std::int64_t partial_bits = 0;  // sums that leave unfinished, and come back
  std::int64_t output_bits = 0;
  // Accesses of the buffers, in bits; unknown is NaN.
  double weight_buffer_read_bits = kUnknown;
  double weight_buffer_write_bits = kUnknown;
  double input_buffer_read_bits = kUnknown;
  double input_buffer_write_bits = kUnknown;
  double output_buffer_read_bits = kUnknown;
  double output_buffer_write_bits = kUnknown;
  // Picojoules; unknown is NaN.
  double compute_pj = kUnknown;
  double buffer_pj = kUnknown;
  double dram_pj = kUnknown;
  double peak_macs_per_cycle = 0;
  // The tiling that was chosen; no tiles: the law has none.
  std::int64_t tiles = 0;
  Tile tile;
  LoopOrder order = LoopOrder::kPOI;

  std::int64_t dram_bits() const { return weight_bits + input_bits + partial_bits + output_bits; }
};

// Energy of one access and of the array's work, from the target's technology table.
struct Energy {
  double pj_per_mac = 0;
  double pj_per_cycle = 0;  // of the whole array, in cycles in which it works
  double weight_buffer_read_pj = 0;
  double weight_buffer_write_pj = 0;
  double input_buffer_read_pj = 0;
  double input_buffer_write_pj = 0;
  double output_buffer_read_pj = 0;
  double output_buffer_write_pj = 0;  // a bit each
  double dram_pj = 0;                 // a bit
};

// Fills in the three parts from the counts; unknown counts leave unknown parts.
inline void Account(const Energy& energy, std::int64_t macs, Cost& cost) {
  cost.compute_pj =
      energy.pj_per_mac * static_cast<double>(macs) + energy.pj_per_cycle * static_cast<double>(cost.compute_cycles);
  cost.buffer_pj = energy.weight_buffer_read_pj * cost.weight_buffer_read_bits +
                   energy.weight_buffer_write_pj * cost.weight_buffer_write_bits +
                   energy.input_buffer_read_pj * cost.input_buffer_read_bits +
                   energy.input_buffer_write_pj * cost.input_buffer_write_bits +
                   energy.output_buffer_read_pj * cost.output_buffer_read_bits +
                   energy.output_buffer_write_pj * cost.output_buffer_write_bits;
  cost.dram_pj = energy.dram_pj * static_cast<double>(cost.dram_bits());
}

// The on-chip buffers, each double-buffered (a tile may fill half of it), and the one bus to the memory.
struct Memory {
  std::int64_t weight_buffer_bits = 0;
  std::int64_t input_buffer_bits = 0;
  std::int64_t output_buffer_bits = 0;
  std::int64_t bus_bits = 1;     // a cycle
  std::int64_t sum_bits = 32;    // of a partial sum
  std::int64_t stored_bits = 0;  // of every operand, in buffers and memory; 0: each at its own bits
  double latency_slack = 0;      // a tiling may take this part more cycles than the fastest if it moves less
};

}  // namespace lathe::simulate
