// The BISMO cycle model. Tiles of a chunk are alike but for the last, so every sum over tiles has a closed form, and
// the blocks of a layer are of at most four sizes: the time to simulate a layer does not grow with the layer.
#include "simulate/bismo.h"

#include <algorithm>
#include <array>

namespace lathe::simulate {
namespace {

// One operand of a matrix product: its rows (pixels or output channels), how many make a tile, and its bits.
struct Operand {
  std::int64_t rows = 0;
  std::int64_t tile = 0;
  std::int64_t bits = 0;
};

// The resident operand's tiles are fetched one by one, each while the array works on the one before, for the first of
// the streamed tiles; from then on the array is busy without a break.
std::int64_t FillBound(const Operand& resident, const Operand& streamed, std::int64_t words) {
  const std::int64_t pair = words * resident.bits * streamed.bits;
  const std::int64_t fetch_row = words * resident.bits;
  const std::int64_t full = resident.rows / resident.tile;
  const std::int64_t rest = resident.rows % resident.tile;
  std::int64_t fill = full * std::max(resident.tile * fetch_row, pair);
  if (rest > 0) fill += std::max(rest * fetch_row, pair);
  const std::int64_t resident_tiles = full + (rest > 0 ? 1 : 0);
  const std::int64_t streamed_tiles = CeilDiv(streamed.rows, streamed.tile);
  return fill + (streamed.bits - 1) + resident_tiles * (streamed_tiles - 1) * pair;
}

// The streamed operand arrives tile after tile, and each is worked against all resident tiles. With c the fetch of a
// tile, M resident tiles, e a tile pair: end(j) = max(fetched(j) + (M - 1) e + tail, end(j - 1) + M e), end(0) = 0.
// Over tiles of equal size this is linear in the tile that limits, so the first or the last one does.
std::int64_t StreamBound(const Operand& resident, const Operand& streamed, std::int64_t words) {
  const std::int64_t pair = words * resident.bits * streamed.bits;
  const std::int64_t resident_tiles = CeilDiv(resident.rows, resident.tile);
  const std::int64_t lag = (resident_tiles - 1) * pair + streamed.bits * (resident.bits - 1);
  const std::int64_t work = resident_tiles * pair;
  const std::int64_t fetch_row = words * streamed.bits;
  const std::int64_t full = streamed.rows / streamed.tile;
  const std::int64_t rest = streamed.rows % streamed.tile;
  const std::int64_t fetch_tile = streamed.tile * fetch_row;
  std::int64_t end = 0;
  if (full > 0) end = std::max({full * work, fetch_tile + lag + (full - 1) * work, full * fetch_tile + lag});
  if (rest > 0) end = std::max(full * fetch_tile + rest * fetch_row + lag, end + work);
  return end;
}

std::int64_t BlockCycles(const Operand& resident, const Operand& streamed, std::int64_t words) {
  return std::max(FillBound(resident, streamed, words), StreamBound(resident, streamed, words));
}

// Equal chunks of an operand that fit into its buffer, and a smaller last one.
struct Chunks {
  std::int64_t rows = 0;
  std::int64_t count = 0;
  std::int64_t last_rows = 0;  // 0: there is none
};

Chunks Split(const Operand& operand, std::int64_t buffer_words, std::int64_t words) {
  const std::int64_t fitting = std::max(operand.tile, buffer_words / (words * operand.bits));
  if (fitting >= operand.rows) return {operand.rows, 1, 0};
  const std::int64_t rows = fitting - fitting % operand.tile;
  return {rows, operand.rows / rows, operand.rows % rows};
}

// One image of a layer as a matrix product: pixels x inner positions times inner positions x output channels.
struct Product {
  Operand activations;
  Operand weights;
  std::int64_t words = 0;    // of one row of one bit plane
  std::int64_t repeats = 0;  // groups * images
};

Product ToProduct(const BismoTarget& target, const Layer& layer, std::int64_t weight_bits, std::int64_t activation_bits,
                  std::int64_t batch) {
  Product product;
  std::int64_t inner = layer.taps() * layer.group_inputs();
  std::int64_t outputs = layer.group_outputs();
  product.repeats = layer.linear ? 1 : layer.groups * batch;
  if (layer.depthwise()) {  // dense products over groups of channels; a last group that is not full costs a full one
    const std::int64_t group = target.depthwise_group_channels;
    inner = layer.taps() * group;
    outputs = group;
    product.repeats = CeilDiv(layer.in_channels, group) * batch;
  }
  product.activations = {layer.linear ? 1 : layer.out_pixels(), target.rows, activation_bits};
  product.weights = {outputs, target.columns, weight_bits};
  product.words = CeilDiv(inner, target.word_bits);
  return product;
}

// Every count of the model is below this sum, so that 64-bit integers hold them and doubles tell them exactly.
void CheckRange(const BismoTarget& target, const Product& product) {
  const auto [activations, weights, words, repeats] = product;
  const double activation_tiles = static_cast<double>(CeilDiv(activations.rows, activations.tile));
  const double weight_tiles = static_cast<double>(CeilDiv(weights.rows, weights.tile));
  const double activation_words = activation_tiles * static_cast<double>(activations.tile) * static_cast<double>(words);
  const double weight_words = weight_tiles * static_cast<double>(weights.tile) * static_cast<double>(words);
  const double tail = 64;
  const double bound = (activation_tiles * weight_tiles * (static_cast<double>(words) + tail) * 64 +
                        (activation_words * weight_tiles + weight_words * activation_tiles) * 8 *
                            static_cast<double>(target.word_bits)) *
                       static_cast<double>(repeats);
  CheckCount(bound);
}

}  // namespace

Cost SimulateBismo(const BismoTarget& target, const Layer& layer, std::int64_t batch, std::int64_t weight_bits,
                   std::int64_t activation_bits) {
  const Product product = ToProduct(target, layer, weight_bits, activation_bits, batch);
  CheckRange(target, product);
  const auto& [activations, weights, words, repeats] = product;
  const Chunks pixel_chunks = Split(activations, target.activation_buffer_words, words);
  const Chunks output_chunks = Split(weights, target.weight_buffer_words, words);

  // (rows, how often) of the equal chunks and of the last one.
  const std::array<std::array<std::int64_t, 2>, 2> pixel_sizes = {
      {{pixel_chunks.rows, pixel_chunks.count}, {pixel_chunks.last_rows, 1}}};
  const std::array<std::array<std::int64_t, 2>, 2> output_sizes = {
      {{output_chunks.rows, output_chunks.count}, {output_chunks.last_rows, 1}}};
  std::int64_t weights_resident = 0;      // order X of the derivation
  std::int64_t activations_resident = 0;  // order Y
  std::int64_t tile_pairs = 0;
  std::int64_t weight_words = 0;
  std::int64_t activation_words = 0;
  for (const auto& [pixels, pixel_count] : pixel_sizes) {
    for (const auto& [outputs, output_count] : output_sizes) {
      if (pixels == 0 || outputs == 0) continue;
      const std::int64_t count = pixel_count * output_count;
      const Operand block_activations = {pixels, activations.tile, activations.bits};
      const Operand block_weights = {outputs, weights.tile, weights.bits};
      weights_resident += count * BlockCycles(block_weights, block_activations, words);
      activations_resident += count * BlockCycles(block_activations, block_weights, words);
      tile_pairs += count * CeilDiv(pixels, activations.tile) * CeilDiv(outputs, weights.tile);
      weight_words += count * words * outputs * weights.bits;
      activation_words += count * words * pixels * activations.bits;
    }
  }
  // The order is chosen once a layer, not once a block.
  Cost cost;
  cost.cycles = std::min(weights_resident, activations_resident) * repeats;
  cost.compute_cycles = tile_pairs * words * weights.bits * activations.bits * repeats;
  cost.weight_bits = weight_words * target.word_bits * repeats;
  cost.input_bits = activation_words * target.word_bits * repeats;
  cost.peak_macs_per_cycle = static_cast<double>(target.rows * target.columns * target.word_bits) /
                             static_cast<double>(weight_bits * activation_bits);
  return cost;
}

}  // namespace lathe::simulate
