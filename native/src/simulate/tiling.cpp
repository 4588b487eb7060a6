#include "simulate/tiling.h"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace lathe::simulate {
namespace {

enum Loop { kGroupLoop, kPixelOuterLoop, kPixelLoop, kOutputLoop, kInputLoop, kLoops };

// Which loops a level of the nest stands for, outermost first; the pixels' two stay together.
constexpr std::array<std::array<Loop, kLoops>, kLoopOrders> kOrders = {{
    {kGroupLoop, kPixelOuterLoop, kPixelLoop, kOutputLoop, kInputLoop},
    {kGroupLoop, kPixelOuterLoop, kPixelLoop, kInputLoop, kOutputLoop},
    {kGroupLoop, kOutputLoop, kPixelOuterLoop, kPixelLoop, kInputLoop},
    {kGroupLoop, kOutputLoop, kInputLoop, kPixelOuterLoop, kPixelLoop},
    {kGroupLoop, kInputLoop, kPixelOuterLoop, kPixelLoop, kOutputLoop},
    {kGroupLoop, kInputLoop, kOutputLoop, kPixelOuterLoop, kPixelLoop},
}};
constexpr std::int64_t kEndless = std::int64_t{1} << 60;
constexpr std::array<std::uint8_t, kLoops> kTensorsOf = {kInput | kWeight | kOutput, kInput | kOutput, kInput | kOutput,
                                                         kWeight | kOutput, kInput | kWeight};

// A loop over `size` in steps of `tile`.
struct Cut {
  std::int64_t size = 1;
  std::int64_t tile = 1;
  std::int64_t count() const { return CeilDiv(size, tile); }
  std::int64_t rest() const { return size % tile; }  // 0: none
};

// Pixels are cut along one axis only: whole images, or strips of rows of one image, or strips of a row. So two loops
// are enough: an even one over what is cut to single pieces, and one that may have a rest.
struct Cuts {
  std::array<Cut, kLoops> loops;
  enum Axis { kImages, kRows, kColumns } axis = kImages;
};

Cuts CutsOf(const TiledProblem& problem, const Tile& tile) {
  const Layer& layer = problem.layer;
  Cuts cuts;
  cuts.loops[kGroupLoop] = {layer.groups, tile.groups};
  cuts.loops[kOutputLoop] = {layer.group_outputs(), tile.outputs};
  cuts.loops[kInputLoop] = {layer.group_inputs(), tile.inputs};
  if (tile.columns < layer.out_width) {
    cuts.axis = Cuts::kColumns;
    cuts.loops[kPixelOuterLoop] = {problem.batch * layer.out_height, 1};
    cuts.loops[kPixelLoop] = {layer.out_width, tile.columns};
  } else if (tile.rows < layer.out_height) {
    cuts.axis = Cuts::kRows;
    cuts.loops[kPixelOuterLoop] = {problem.batch, 1};
    cuts.loops[kPixelLoop] = {layer.out_height, tile.rows};
  } else {
    cuts.loops[kPixelLoop] = {problem.batch, tile.images};
  }
  return cuts;
}

// Products of counts of candidates that nobody would choose can leave the range: they stay at its end.
std::int64_t Times(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? kEndless : std::min(product, kEndless);
}

struct TileBits {
  std::int64_t input = 0;
  std::int64_t weight = 0;
  std::int64_t partial = 0;
  std::int64_t output = 0;
};

TileBits BitsOf(const TiledProblem& problem, const Tile& tile) {
  const Layer& layer = problem.layer;
  const std::int64_t outputs = tile.groups * tile.outputs * tile.pixels();
  return {tile.groups * tile.inputs * tile.images * layer.InputRows(tile.rows) * layer.InputColumns(tile.columns) *
              problem.activation_bits,
          tile.groups * tile.outputs * tile.inner() * problem.weight_bits, outputs * problem.memory.sum_bits,
          outputs * problem.activation_bits};
}

bool Fits(const Memory& memory, const TileBits& bits) {
  return 2 * bits.weight <= memory.weight_buffer_bits && 2 * bits.input <= memory.input_buffer_bits &&
         2 * bits.partial <= memory.output_buffer_bits;
}

std::int64_t ArrayCycles(const Array& array, const Tile& tile) {
  return std::visit([&](const auto& law) { return law.Cycles(tile); }, array);
}

// 1, 2, 4, ... below `size`, and `size`.
std::vector<std::int64_t> Sizes(std::int64_t size) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t s = 1; s < size; s *= 2) sizes.push_back(s);
  sizes.push_back(size);
  return sizes;
}

struct PixelTile {
  std::int64_t images = 1;
  std::int64_t rows = 1;
  std::int64_t columns = 1;
};

std::vector<PixelTile> PixelTiles(const Layer& layer, std::int64_t batch) {
  std::vector<PixelTile> tiles;
  for (const std::int64_t columns : Sizes(layer.out_width)) tiles.push_back({1, 1, columns});
  for (const std::int64_t rows : Sizes(layer.out_height)) {
    if (rows > 1) tiles.push_back({1, rows, layer.out_width});
  }
  for (const std::int64_t images : Sizes(batch)) {
    if (images > 1) tiles.push_back({images, layer.out_height, layer.out_width});
  }
  return tiles;
}

// Channels of a tile: parts of one group, or whole groups.
struct ChannelTile {
  std::int64_t groups = 1;
  std::int64_t inputs = 1;
  std::int64_t outputs = 1;
};

std::vector<ChannelTile> ChannelTiles(const Layer& layer) {
  std::vector<ChannelTile> tiles;
  for (const std::int64_t outputs : Sizes(layer.group_outputs())) {
    for (const std::int64_t inputs : Sizes(layer.group_inputs())) tiles.push_back({1, inputs, outputs});
  }
  for (const std::int64_t groups : Sizes(layer.groups)) {
    if (groups > 1) tiles.push_back({groups, layer.group_inputs(), layer.group_outputs()});
  }
  return tiles;
}

Tile MakeTile(const Layer& layer, const PixelTile& pixels, const ChannelTile& channels) {
  return {channels.groups,  pixels.images,       pixels.rows,        pixels.columns,   channels.inputs,
          channels.outputs, layer.kernel_height, layer.kernel_width, layer.depthwise()};
}

// Of the orders that differ only in where a loop of one step stands, one is tried.
bool IsDistinct(LoopOrder order, bool pixels, bool outputs, bool inputs) {
  switch (order) {
    case LoopOrder::kPOI:
      return true;
    case LoopOrder::kPIO:
      return outputs && inputs;
    case LoopOrder::kOPI:
      return pixels && outputs;
    case LoopOrder::kOIP:
      return pixels && outputs && inputs;
    case LoopOrder::kIPO:
      return pixels && inputs && outputs;
    case LoopOrder::kIOP:
      return pixels && inputs;
  }
  return true;
}

// How often a tensor moves as a whole: the steps of the loops that it does not depend on and that lie outside of one
// that it does depend on.
std::int64_t Passes(const Cuts& cuts, LoopOrder order, Tensor tensor) {
  const auto& loops = kOrders[static_cast<int>(order)];
  std::int64_t passes = 1;
  bool inside = false;
  for (int l = kLoops - 1; l >= 0; --l) {
    const std::int64_t count = cuts.loops[loops[l]].count();
    if (count == 1) continue;
    if ((kTensorsOf[loops[l]] & tensor) != 0) {
      inside = true;
    } else if (inside) {
      passes = Times(passes, count);
    }
  }
  return passes;
}

struct Traffic {
  std::int64_t weight = 0;
  std::int64_t input = 0;
  std::int64_t partial = 0;
  std::int64_t output = 0;
  std::int64_t total() const { return weight + input + partial + output; }
};

// Input rows (or columns) that all tiles of an axis read together.
std::int64_t Spans(const Cut& cut, std::int64_t span, std::int64_t rest_span) {
  return cut.size / cut.tile * span + (cut.rest() > 0 ? rest_span : 0);
}

// Bits of each tensor, each tile of it once.
Traffic OncePerTile(const TiledProblem& problem, const Cuts& cuts, const Tile& tile) {
  const Layer& layer = problem.layer;
  std::int64_t rows = layer.InputRows(layer.out_height);
  std::int64_t columns = layer.InputColumns(layer.out_width);
  const Cut& cut = cuts.loops[kPixelLoop];
  if (cuts.axis != Cuts::kImages) {
    rows = cuts.axis == Cuts::kRows ? Spans(cut, layer.InputRows(tile.rows), layer.InputRows(cut.rest()))
                                    : layer.out_height * layer.InputRows(1);
  }
  if (cuts.axis == Cuts::kColumns) {
    columns = Spans(cut, layer.InputColumns(tile.columns), layer.InputColumns(cut.rest()));
  }
  const std::int64_t outputs = layer.out_channels * layer.out_pixels() * problem.batch;
  return {layer.weights() * problem.weight_bits,
          layer.in_channels * problem.batch * rows * columns * problem.activation_bits,
          outputs * problem.memory.sum_bits, outputs * problem.activation_bits};
}

// Each tensor by its passes. An output that is visited `passes` times leaves unfinished, and comes back, one time less.
Traffic TrafficOf(const Traffic& once, const Cuts& cuts, LoopOrder order) {
  return {Times(once.weight, Passes(cuts, order, kWeight)), Times(once.input, Passes(cuts, order, kInput)),
          Times(once.partial, 2 * (Passes(cuts, order, kOutput) - 1)), once.output};
}

struct Candidate {
  std::int64_t bound = 0;  // no fewer cycles than this
  std::int64_t traffic = 0;
  std::int32_t pixels = 0;  // indices into the lists of tiles
  std::int32_t channels = 0;
  LoopOrder order = LoopOrder::kPOI;

  // Better first; the indices make the choice the same on every machine.
  auto Key() const { return std::make_tuple(bound, traffic, -pixels, -channels, static_cast<int>(order)); }
};

// Cycles of the array over all tiles of a nest.
std::int64_t TotalCompute(const Nest& nest) {
  std::int64_t total = 0;
  for (int tile_class = 0; tile_class < 1 << nest.depth; ++tile_class) {
    std::int64_t times = 1;
    for (int l = 0; l < nest.depth && times > 0; ++l) {
      const Level& level = nest.levels[l];
      const bool at_rest = (tile_class >> l & 1) != 0;
      times *= at_rest ? (level.rest ? 1 : 0) : level.count - (level.rest ? 1 : 0);
    }
    if (times > 0) total += times * nest.sizes[tile_class].compute;
  }
  return total;
}

std::int64_t LeastCycles(const TiledProblem& problem, const Cuts& cuts, const Tile& tile, const TileBits& bits,
                         std::int64_t traffic) {
  // The full tiles alone, between the first load and the last store, of which at least the rests' remain.
  std::int64_t full = ArrayCycles(problem.array, tile);
  for (const Cut& cut : cuts.loops) full = Times(full, cut.size / cut.tile);
  const std::int64_t bus = problem.memory.bus_bits;
  const std::int64_t lead = CeilDiv(bits.weight, bus) + CeilDiv(bits.input, bus);
  return std::max(full + lead, CeilDiv(traffic, bus));
}

using TileOf = std::function<Tile(const Candidate&)>;

// The candidate with the fewest cycles, which stand in its bound then; of those the one with the least traffic. From
// the best bound on; done when no bound is below what was reached. `candidates` keeps all of them, in another order.
Candidate Fastest(const TiledProblem& problem, std::vector<Candidate>& candidates, const TileOf& tile_of) {
  const auto later = [](const Candidate& a, const Candidate& b) { return a.Key() > b.Key(); };
  std::make_heap(candidates.begin(), candidates.end(), later);
  std::optional<Candidate> best;
  for (auto end = candidates.end(); end != candidates.begin(); --end) {
    Candidate candidate = candidates.front();
    if (best && candidate.bound > best->bound) break;
    std::pop_heap(candidates.begin(), end, later);
    if (best && candidate.Key() > best->Key()) continue;
    CheckCount(static_cast<double>(candidate.bound));
    CheckCount(static_cast<double>(candidate.traffic));
    const Nest nest = MakeNest(problem, {tile_of(candidate), candidate.order});
    const Nest::Sizes& first = nest.sizes[0];
    candidate.bound = std::max(candidate.bound, TotalCompute(nest) + first.weight + first.input);
    if (best && candidate.Key() > best->Key()) continue;
    candidate.bound = SteadyState(nest);
    if (!best || candidate.Key() < best->Key()) best = candidate;
  }
  return *best;
}

// The candidate with the least traffic among those within the memory's slack of the fastest.
Candidate LeastTraffic(const TiledProblem& problem, std::vector<Candidate>& candidates, const TileOf& tile_of,
                       const Candidate& fastest) {
  const auto limit = static_cast<std::int64_t>(static_cast<double>(fastest.bound) * (1 + problem.memory.latency_slack));
  if (limit == fastest.bound) return fastest;
  const auto out = [&](const Candidate& c) { return c.bound > limit || c.traffic >= fastest.traffic; };
  candidates.erase(std::remove_if(candidates.begin(), candidates.end(), out), candidates.end());
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.traffic, a.bound) < std::tie(b.traffic, b.bound) ||
           (a.traffic == b.traffic && a.bound == b.bound && a.Key() < b.Key());
  });
  for (const Candidate& candidate : candidates) {
    const Nest nest = MakeNest(problem, {tile_of(candidate), candidate.order});
    if (TotalCompute(nest) > limit) continue;
    if (SteadyState(nest) <= limit) return candidate;
  }
  return fastest;
}

[[noreturn]] void FailToFit(const TiledProblem& problem) {
  const Layer& layer = problem.layer;
  const Tile smallest = MakeTile(layer, {}, {});
  const TileBits bits = BitsOf(problem, smallest);
  const auto say = [](const char* what, std::int64_t needed, std::int64_t buffer) {
    throw std::invalid_argument("the smallest tile of its " + std::string(what) + " is " + std::to_string(needed) +
                                " bits, and half of the buffer holds " + std::to_string(buffer / 2) +
                                "; give the target a larger buffer");
  };
  if (2 * bits.weight > problem.memory.weight_buffer_bits)
    say("weights", bits.weight, problem.memory.weight_buffer_bits);
  if (2 * bits.input > problem.memory.input_buffer_bits) say("inputs", bits.input, problem.memory.input_buffer_bits);
  say("outputs", bits.partial, problem.memory.output_buffer_bits);
  throw std::logic_error("unreachable");
}

}  // namespace

Nest MakeNest(const TiledProblem& problem, const Tiling& tiling) {
  const Cuts cuts = CutsOf(problem, tiling.tile);
  Nest nest;
  for (const Loop loop : kOrders[static_cast<int>(tiling.order)]) {
    const Cut& cut = cuts.loops[loop];
    if (cut.count() == 1) continue;
    nest.levels[nest.depth++] = {cut.count(), cut.rest() > 0, loop == kInputLoop, kTensorsOf[loop]};
  }
  const std::int64_t bus = problem.memory.bus_bits;
  for (int tile_class = 0; tile_class < 1 << nest.depth; ++tile_class) {
    bool exists = true;
    for (int l = 0; l < nest.depth; ++l) exists = exists && ((tile_class >> l & 1) == 0 || nest.levels[l].rest);
    if (!exists) continue;
    const Tile tile = TileAt(problem, tiling, tile_class);
    const TileBits bits = BitsOf(problem, tile);
    nest.sizes[tile_class] = {ArrayCycles(problem.array, tile), CeilDiv(bits.input, bus), CeilDiv(bits.weight, bus),
                              CeilDiv(bits.partial, bus), CeilDiv(bits.output, bus)};
  }
  return nest;
}

Tile TileAt(const TiledProblem& problem, const Tiling& tiling, int tile_class) {
  const Cuts cuts = CutsOf(problem, tiling.tile);
  Tile tile = tiling.tile;
  int level = 0;
  for (const Loop loop : kOrders[static_cast<int>(tiling.order)]) {
    const Cut& cut = cuts.loops[loop];
    if (cut.count() == 1) continue;
    if ((tile_class >> level++ & 1) == 0) continue;
    switch (loop) {
      case kGroupLoop:
        tile.groups = cut.rest();
        break;
      case kOutputLoop:
        tile.outputs = cut.rest();
        break;
      case kInputLoop:
        tile.inputs = cut.rest();
        break;
      case kPixelLoop:
        (cuts.axis == Cuts::kImages ? tile.images : cuts.axis == Cuts::kRows ? tile.rows : tile.columns) = cut.rest();
        break;
      case kPixelOuterLoop:
      case kLoops:
        break;
    }
  }
  return tile;
}

Tiling SearchTiling(const TiledProblem& problem) {
  const Layer& layer = problem.layer;
  const std::vector<PixelTile> pixel_tiles = PixelTiles(layer, problem.batch);
  const std::vector<ChannelTile> channel_tiles = ChannelTiles(layer);
  std::vector<Candidate> candidates;
  candidates.reserve(pixel_tiles.size() * channel_tiles.size());
  for (std::size_t p = 0; p < pixel_tiles.size(); ++p) {
    for (std::size_t c = 0; c < channel_tiles.size(); ++c) {
      const Tile tile = MakeTile(layer, pixel_tiles[p], channel_tiles[c]);
      const TileBits bits = BitsOf(problem, tile);
      if (!Fits(problem.memory, bits)) continue;
      const Cuts cuts = CutsOf(problem, tile);
      const Traffic once = OncePerTile(problem, cuts, tile);
      const bool pixels = cuts.loops[kPixelLoop].count() > 1 || cuts.loops[kPixelOuterLoop].count() > 1;
      for (int o = 0; o < kLoopOrders; ++o) {
        const auto order = static_cast<LoopOrder>(o);
        if (!IsDistinct(order, pixels, cuts.loops[kOutputLoop].count() > 1, cuts.loops[kInputLoop].count() > 1)) {
          continue;
        }
        const std::int64_t traffic = TrafficOf(once, cuts, order).total();
        candidates.push_back({LeastCycles(problem, cuts, tile, bits, traffic), traffic, static_cast<std::int32_t>(p),
                              static_cast<std::int32_t>(c), order});
      }
    }
  }
  if (candidates.empty()) FailToFit(problem);

  const auto tile_of = [&](const Candidate& candidate) {
    return MakeTile(layer, pixel_tiles[candidate.pixels], channel_tiles[candidate.channels]);
  };
  const Candidate fastest = Fastest(problem, candidates, tile_of);
  const Candidate best = LeastTraffic(problem, candidates, tile_of, fastest);
  return {tile_of(best), best.order};
}

Cost CostOf(const TiledProblem& problem, const Tiling& tiling) {
  const Cuts cuts = CutsOf(problem, tiling.tile);
  const Nest nest = MakeNest(problem, tiling);
  const Traffic traffic = TrafficOf(OncePerTile(problem, cuts, tiling.tile), cuts, tiling.order);
  Cost cost;
  cost.cycles = SteadyState(nest);
  cost.compute_cycles = TotalCompute(nest);
  cost.weight_bits = traffic.weight;
  cost.input_bits = traffic.input;
  cost.partial_bits = traffic.partial;
  cost.output_bits = traffic.output;
  cost.peak_macs_per_cycle = std::visit([](const auto& law) { return law.PeakMacsPerCycle(); }, problem.array);
  cost.tiles = nest.steps();
  cost.tile = tiling.tile;
  cost.order = tiling.order;

  TileAccesses total;
  for (int tile_class = 0; tile_class < 1 << nest.depth; ++tile_class) {
    std::int64_t times = 1;
    for (int l = 0; l < nest.depth; ++l) {
      const Level& level = nest.levels[l];
      const bool at_rest = (tile_class >> l & 1) != 0;
      times *= at_rest ? (level.rest ? 1 : 0) : level.count - (level.rest ? 1 : 0);
    }
    if (times == 0) continue;
    const Tile tile = TileAt(problem, tiling, tile_class);
    const TileAccesses words = std::visit([&](const auto& law) { return law.Accesses(tile); }, problem.array);
    if (words.weight_reads < 0) return cost;
    total.weight_reads += times * words.weight_reads;
    total.input_reads += times * words.input_reads;
    total.output_writes += times * words.output_writes;
    total.output_reads += times * words.output_reads;
  }
  // A tile that goes on where another one along the input channels stopped reads its sums first.
  const std::int64_t outputs = problem.layer.out_channels * problem.layer.out_pixels() * problem.batch;
  const std::int64_t visits = cuts.loops[kInputLoop].count();
  total.output_reads += outputs * (visits - 1);
  const auto bits = [](std::int64_t words, std::int64_t width) { return static_cast<double>(words * width); };
  const std::int64_t sum_bits = problem.memory.sum_bits;
  cost.weight_buffer_read_bits = bits(total.weight_reads, problem.weight_bits);
  cost.weight_buffer_write_bits = static_cast<double>(traffic.weight);
  cost.input_buffer_read_bits = bits(total.input_reads, problem.activation_bits);
  cost.input_buffer_write_bits = static_cast<double>(traffic.input);
  // Half of the partial sums' traffic comes in, half goes out; complete outputs are read as they leave.
  cost.output_buffer_read_bits =
      bits(total.output_reads, sum_bits) + static_cast<double>(traffic.partial) / 2 + bits(outputs, sum_bits);
  cost.output_buffer_write_bits = bits(total.output_writes, sum_bits) + static_cast<double>(traffic.partial) / 2;
  if (problem.energy != nullptr) Account(*problem.energy, problem.layer.macs() * problem.batch, cost);
  return cost;
}

}  // namespace lathe::simulate
