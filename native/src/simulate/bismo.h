// Cycles of a bit-serial matrix-multiplication array of the BISMO kind (Umuroglu et al., FPL 2018), in closed form.
// docs/algorithms/bismo.md derives every term; where its source is silent, it says what is assumed here.
//
// A tile pair is `rows` pixels x `columns` output channels; in one cycle the array multiplies one bit plane of
// `wordBits` inner positions of such a pair. Both operands are fetched over channels of their own, one word of
// `wordBits` bits a cycle.
#pragma once

#include <cstdint>

#include "simulate/cost.h"

namespace lathe::simulate {

struct BismoTarget {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t word_bits = 0;
  std::int64_t weight_buffer_words = 0;
  std::int64_t activation_buffer_words = 0;
  std::int64_t depthwise_group_channels = 0;
};

// Cycles, the cycles in which the array executes (tile pairs * words * weight bits * activation bits) and the fetched
// bits: every block fetches both of its chunks once, in padded words, whatever its order. All of the whole batch, but a
// linear layer costs the same for every batch. Writing results never shows and is not counted; energy is unknown. Every
// field at least 1, bits in 1..8. Throws std::range_error when a count would exceed 2^53, where doubles stop being
// exact.
Cost SimulateBismo(const BismoTarget& target, const Layer& layer, std::int64_t batch, std::int64_t weight_bits,
                   std::int64_t activation_bits);

// The same array by the minima of its stages, as BISMO's documentation gives them: fetch, execute and result run side
// by side over one memory port, and the longest of them decides (docs/algorithms/bismo.md). For boards whose overlap is
// not known.
struct BismoStages {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t word_bits = 0;
  std::int64_t left_entries = 0;   // words of each row's memory
  std::int64_t right_entries = 0;  // words of each column's memory
  std::int64_t regions = 0;        // into which fetch and execute share the memories
  std::int64_t port_bits = 0;      // a cycle, either way
  std::int64_t sum_bits = 0;       // of a result
  std::int64_t depthwise_group_channels = 0;
};
Cost SimulateBismoStages(const BismoStages& target, const Layer& layer, std::int64_t batch, std::int64_t weight_bits,
                         std::int64_t activation_bits);

}  // namespace lathe::simulate
