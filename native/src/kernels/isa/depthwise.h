// Depthwise convolution of one padded tile, and its weights' gradient.
#pragma once

#include "kernels/kernels.h"

namespace lathe::LATHE_ISA {

void Depthwise(const DepthwiseArgs& args);
void DepthwiseWeights(const DepthwiseWeightsArgs& args);

}  // namespace lathe::LATHE_ISA
