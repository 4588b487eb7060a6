// Kernels that slide a window over an image, channel by channel; see kernels/kernels.h for what each does.
#pragma once

#include "kernels/kernels.h"

namespace lathe::LATHE_ISA {

void MaxPool(const PoolArgs& args);
void MaxPoolBackward(const PoolArgs& args);
void AveragePool(const PoolArgs& args);
void AveragePoolBackward(const PoolArgs& args);

}  // namespace lathe::LATHE_ISA
