// Cycles of a bit-serial matrix-multiplication array of the BISMO kind (Umuroglu et al., FPL 2018), in closed form.
// docs/algorithms/bismo.md derives every term; where its source is silent, it says what is assumed here.
//
// A tile pair is `rows` pixels x `columns` output channels; in one cycle the array multiplies one bit plane of
// `wordBits` inner positions of such a pair. Both operands are fetched over channels of their own, one word of
// `wordBits` bits a cycle.
#pragma once

#include <cstdint>

namespace lathe::simulate {

struct BismoTarget {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t word_bits = 0;
  std::int64_t weight_buffer_words = 0;
  std::int64_t activation_buffer_words = 0;
  std::int64_t depthwise_group_channels = 0;
};

enum class BismoLayerKind { kConv, kDepthwise, kLinear };

struct BismoLayer {
  BismoLayerKind kind = BismoLayerKind::kConv;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t kernel = 1;
  std::int64_t out_pixels = 1;  // output height * width of one image
};

// All of the whole batch; a linear layer costs the same for every batch.
struct BismoCost {
  std::int64_t cycles = 0;
  std::int64_t compute_cycles = 0;  // in which the array executes: tile pairs * words * weight bits * activation bits
  std::int64_t fetched_bits = 0;    // every block fetches both of its chunks once, in padded words, whatever its order
};

// Every field at least 1, bits in 1..8. Throws std::range_error when a count would exceed 2^53, where doubles stop
// being exact.
BismoCost SimulateBismo(const BismoTarget& target, const BismoLayer& layer, std::int64_t weight_bits,
                        std::int64_t activation_bits, std::int64_t batch);

}  // namespace lathe::simulate
