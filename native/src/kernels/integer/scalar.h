// The scalar forms, for tables that have no better one of some kernel.
#pragma once

#include "kernels/integer/integer.h"

namespace lathe {
namespace scalar {

void Depthwise(const IntegerDepthwiseArgs& args);
void Requantize(const RequantizeArgs& args);
void EncodeAll(const float* x, std::size_t count, const CodeArgs& code, std::uint8_t* codes);

}  // namespace scalar

// The VNNI kernel over an emulated instruction, for tests on processors without it.
const IntegerKernels& EmulatedVnniKernels();

}  // namespace lathe
