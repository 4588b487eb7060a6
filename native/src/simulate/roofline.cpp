#include "simulate/roofline.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace lathe::simulate {

Cost SimulateRoofline(const Roofline& target, const Layer& layer, std::int64_t batch, std::int64_t weight_bits,
                      std::int64_t activation_bits) {
  const std::int64_t bits = std::max(weight_bits, activation_bits);
  const auto precision = std::find_if(target.precisions.begin(), target.precisions.end(),
                                      [&](const Precision& p) { return p.operand_bits >= bits; });
  if (precision == target.precisions.end()) {
    throw std::invalid_argument("the target multiplies no operands of " + std::to_string(bits) + " bits");
  }
  Cost cost;
  cost.weight_bits = layer.weights() * precision->operand_bits;
  cost.input_bits = layer.in_channels * batch * layer.InputRows(layer.out_height) *
                    layer.InputColumns(layer.out_width) * precision->operand_bits;
  cost.output_bits = layer.out_channels * batch * layer.out_pixels() * precision->operand_bits;
  const double macs = static_cast<double>(layer.macs()) * static_cast<double>(batch);
  const double compute = std::ceil(macs / precision->macs_per_cycle);
  const double bus = std::ceil(static_cast<double>(cost.dram_bits()) / target.bus_bits_per_cycle);
  CheckCount(std::max(compute, bus));
  cost.compute_cycles = static_cast<std::int64_t>(compute);
  cost.cycles = static_cast<std::int64_t>(std::max(compute, bus));
  cost.peak_macs_per_cycle = precision->macs_per_cycle;
  return cost;
}

}  // namespace lathe::simulate
