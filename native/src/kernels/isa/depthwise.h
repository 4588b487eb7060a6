// Convolution of each channel by itself, and its two gradients.
#pragma once

#include "kernels/isa/vec.h"
#include "kernels/kernels.h"

namespace lathe::LATHE_ISA {

void Depthwise(const DepthwiseArgs& args);
void DepthwiseData(const DepthwiseDataArgs& args);
void DepthwiseWeights(const DepthwiseWeightsArgs& args);

}  // namespace lathe::LATHE_ISA
