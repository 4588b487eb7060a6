// The roofline law (Williams et al., CACM 2009) for a machine of which only peak and bandwidth are known: a layer takes
// as long as its arithmetic at the peak or its compulsory traffic at the full bandwidth, whichever is longer
// (docs/algorithms/roofline.md). Optimistic on purpose.
#pragma once

#include <vector>

#include "simulate/cost.h"

namespace lathe::simulate {

// Operands up to these bits are stored and multiplied at this width.
struct Precision {
  std::int64_t operand_bits = 0;
  double macs_per_cycle = 0;
};

struct Roofline {
  std::vector<Precision> precisions;  // ascending bits
  double bus_bits_per_cycle = 0;
};

// Throws std::invalid_argument when the operands are wider than every precision.
Cost SimulateRoofline(const Roofline& target, const Layer& layer, std::int64_t batch, std::int64_t weight_bits,
                      std::int64_t activation_bits);

}  // namespace lathe::simulate
