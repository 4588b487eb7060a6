// The authors' simulator (github.com/hsharma35/bitfusion), counted again from its description in
// docs/algorithms/bitfusion.md: every loop order, power-of-two tiles, outputs that cross the bus as 32-bit sums both
// ways, fill and drain as two bursts at the ends. Its names: N rows, M columns, pf the multipliers of a unit.
#include "simulate/bitfusion_compatible.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <vector>

namespace lathe::simulate {
namespace {

enum Loop { kB, kOW, kOH, kIC, kOC, kLoops };

struct Shape {
  std::int64_t b, ow, oh, ic, oc;
};

// A stream of the weight, input or output buffer: which loops change it, and how much of it may stay.
struct Stream {
  std::array<bool, kLoops> depends;
  std::int64_t tile_bits;
  std::int64_t half_buffer_bits;
};

struct Moved {
  std::int64_t total;    // bits over the bus
  std::int64_t largest;  // bits that were together in the buffer
};

// From the innermost loop outward: a stream stays in its buffer over loops that do not change it, for as long as what
// has come together fits.
Moved Walk(const Stream& stream, const std::array<int, kLoops>& order, const std::array<std::int64_t, kLoops>& counts) {
  Moved moved = {stream.tile_bits, stream.tile_bits};
  bool promoted = true;
  for (int i = kLoops - 1; i >= 0; --i) {
    const int loop = order[i];
    if (promoted && !stream.depends[loop]) continue;
    moved.total *= counts[loop];
    if (!promoted) continue;
    if (moved.total > stream.half_buffer_bits) {
      promoted = false;
    } else {
      moved.largest = moved.total;
    }
  }
  return moved;
}

std::vector<std::array<int, kLoops>> AllOrders() {
  std::vector<std::array<int, kLoops>> orders;
  std::array<int, kLoops> order = {kB, kOW, kOH, kIC, kOC};
  do {
    orders.push_back(order);
  } while (std::next_permutation(order.begin(), order.end()));
  return orders;
}

std::vector<std::int64_t> Sizes(std::int64_t first, std::int64_t size) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t s = first; s < size; s *= 2) sizes.push_back(s);
  sizes.push_back(size);
  return sizes;
}

class Search {
 public:
  Search(const BitFusionArray& array, const Memory& memory, const Energy& energy, const Layer& layer,
         std::int64_t batch, std::int64_t weight_bits, std::int64_t activation_bits)
      : array_(array),
        memory_(memory),
        energy_(energy),
        layer_(layer),
        batch_(batch),
        weight_bits_(weight_bits),
        activation_bits_(activation_bits),
        lanes_(array.rows * array.Parallel(weight_bits, activation_bits)) {}

  Cost Best() {
    static const std::vector<std::array<int, kLoops>> orders = AllOrders();
    const std::int64_t first_outputs = layer_.first ? 1 : array_.columns;
    const std::int64_t side = std::max(layer_.out_height, layer_.out_width);
    for (const std::int64_t b : Sizes(1, batch_)) {
      for (const std::int64_t o : Sizes(1, side)) {
        for (const std::int64_t ic : Sizes(1, layer_.in_channels)) {
          for (const std::int64_t oc : Sizes(first_outputs, layer_.out_channels)) {
            const Shape tile = {b, std::min(o, layer_.out_width), std::min(o, layer_.out_height), ic, oc};
            Try(tile, orders);
          }
        }
      }
    }
    if (best_.cycles == 0) {
      throw std::invalid_argument("no tile of it fits half of each buffer; give the target larger buffers");
    }
    return best_;
  }

 private:
  std::int64_t TileCycles(const Shape& t) const {
    const std::int64_t columns = CeilDiv(t.oc, array_.columns);
    const std::int64_t pixels = t.b * t.ow * t.oh;
    if (layer_.first) return pixels * columns * CeilDiv(layer_.taps() * t.ic, lanes_);
    return pixels * layer_.taps() * columns * CeilDiv(t.ic, lanes_);
  }

  std::int64_t InputBits(const Shape& t) const {
    if (layer_.first) return t.ow * t.oh * layer_.taps() * t.ic * t.b * activation_bits_;
    const std::int64_t rows = (t.oh - 1) * layer_.stride_height + layer_.kernel_height;
    const std::int64_t columns = (t.ow - 1) * layer_.stride_width + layer_.kernel_width;
    return rows * columns * t.ic * t.b * activation_bits_;
  }

  void Try(const Shape& t, const std::vector<std::array<int, kLoops>>& orders) {
    const std::int64_t padded = CeilDiv(layer_.taps() * t.ic, lanes_) * lanes_;
    const Stream weights = {
        {false, false, false, true, true}, padded * t.oc * weight_bits_, memory_.weight_buffer_bits / 2};
    const Stream inputs = {{true, true, true, true, false}, InputBits(t), memory_.input_buffer_bits / 2};
    const Stream outputs = {{true, true, true, false, true},
                            t.ow * t.oh * CeilDiv(t.oc, array_.columns) * array_.columns * t.b * memory_.sum_bits,
                            memory_.output_buffer_bits / 2};
    for (const Stream* stream : {&weights, &inputs, &outputs}) {
      if (stream->tile_bits > stream->half_buffer_bits) return;
    }
    const std::array<std::int64_t, kLoops> counts = {
        CeilDiv(batch_, t.b), CeilDiv(layer_.out_width, t.ow), CeilDiv(layer_.out_height, t.oh),
        CeilDiv(layer_.in_channels, t.ic), CeilDiv(layer_.out_channels, t.oc)};
    std::int64_t tiles = 1;
    for (const std::int64_t count : counts) tiles *= count;
    const std::int64_t compute = tiles * TileCycles(t);
    if (best_.cycles > 0 && compute > best_.cycles) return;
    const std::int64_t bus = memory_.bus_bits;
    for (const auto& order : orders) {
      const Moved w = Walk(weights, order, counts);
      const Moved a = Walk(inputs, order, counts);
      const Moved o = Walk(outputs, order, counts);
      const std::int64_t filled = w.largest + a.largest + o.largest;
      const std::int64_t middle = w.total + a.total + 2 * o.total - filled - o.largest;
      const std::int64_t lead = CeilDiv(filled, bus) + CeilDiv(o.largest, bus);
      const std::int64_t cycles = compute + std::max<std::int64_t>(0, CeilDiv(middle, bus) - compute) + lead;
      if (best_.cycles > 0 && cycles > best_.cycles) continue;
      Cost cost = CostOf(t, tiles, compute, w.total, a.total, o.total);
      cost.cycles = cycles;
      const double energy_pj = cost.compute_pj + cost.buffer_pj + cost.dram_pj;
      if (best_.cycles > 0 && cycles == best_.cycles && energy_pj >= best_pj_) continue;
      best_ = cost;
      best_pj_ = energy_pj;
    }
  }

  Cost CostOf(const Shape& t, std::int64_t tiles, std::int64_t compute, std::int64_t w, std::int64_t a,
              std::int64_t o) const {
    Cost cost;
    cost.compute_cycles = compute;
    cost.weight_bits = w;
    cost.input_bits = a;
    cost.partial_bits = o;  // read back, whatever it holds
    cost.output_bits = o;
    cost.peak_macs_per_cycle = static_cast<double>(array_.columns * lanes_);
    cost.tiles = tiles;
    cost.tile = {1, t.b, t.oh, t.ow, t.ic, t.oc, layer_.kernel_height, layer_.kernel_width, false};
    AddAccesses(t, static_cast<double>(tiles), cost);
    Account(energy_, layer_.macs() * batch_, cost);
    return cost;
  }

  // Within a tile the stationary operand is chosen by estimated accesses; then the unpadded tile is counted.
  void AddAccesses(const Shape& t, double tiles, Cost& cost) const {
    const double a = static_cast<double>(activation_bits_);
    const double w = static_cast<double>(weight_bits_);
    const double sum = static_cast<double>(memory_.sum_bits);
    const double is = static_cast<double>(CeilDiv(t.oc, array_.columns) * array_.columns);
    const double ws = static_cast<double>(t.b * t.ow * t.oh);
    const double os = static_cast<double>(layer_.first ? CeilDiv(layer_.taps() * t.ic, lanes_) * lanes_
                                                       : CeilDiv(t.ic, lanes_) * lanes_ * layer_.taps());
    const double input_stationary = os * ws * (a + is * (w + sum));
    const double output_stationary = is * ws * (sum + os * (a + w));
    const double weight_stationary = os * is * (w + ws * (a + sum));
    const double k = static_cast<double>(layer_.taps() * t.ic);
    const double p = ws;
    const double oc = static_cast<double>(t.oc);
    double input = oc * p * k * a;
    double weight = oc * p * k * w;
    double output = oc * p * k * sum;
    if (input_stationary <= output_stationary && input_stationary <= weight_stationary) {
      input = k * p * a;
    } else if (output_stationary <= weight_stationary) {
      output = oc * p * sum;
    } else {
      weight = k * oc * w;
    }
    cost.weight_buffer_read_bits = tiles * weight;
    cost.weight_buffer_write_bits = static_cast<double>(cost.weight_bits);
    cost.input_buffer_read_bits = tiles * input;
    cost.input_buffer_write_bits = static_cast<double>(cost.input_bits);
    cost.output_buffer_read_bits = tiles * output + static_cast<double>(cost.output_bits);
    cost.output_buffer_write_bits = tiles * output + static_cast<double>(cost.partial_bits);
  }

  const BitFusionArray& array_;
  const Memory& memory_;
  const Energy& energy_;
  const Layer& layer_;
  std::int64_t batch_;
  std::int64_t weight_bits_;
  std::int64_t activation_bits_;
  std::int64_t lanes_;  // input positions that a column takes in a cycle
  Cost best_;
  double best_pj_ = 0;
};

}  // namespace

Cost SimulateBitFusionCompatible(const BitFusionArray& array, const Memory& memory, const Energy& energy,
                                 const Layer& layer, std::int64_t batch, std::int64_t weight_bits,
                                 std::int64_t activation_bits) {
  if (layer.groups > 1) {
    throw std::invalid_argument(
        "the authors' simulator of BitFusion has no depthwise or grouped convolution; choose the mode 'requantize'");
  }
  return Search(array, memory, energy, layer, batch, weight_bits, activation_bits).Best();
}

}  // namespace lathe::simulate
