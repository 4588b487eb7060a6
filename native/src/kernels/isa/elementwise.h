// Kernels that touch each element of a tile once; see kernels/kernels.h for what each does.
#pragma once

#include "kernels/kernels.h"

namespace lathe::LATHE_ISA {

void ApplyAffine(float* y, const float* x, int rows, int channels, const Affine& affine);
void ColumnMoments(const float* x, int rows, int channels, const float* center, float* sum, float* sumSquares);
void ColumnSum(const float* x, int rows, int channels, float* sum);
void GradientSink(const GradientSinkArgs& args);
void NormBackward(float* dy, const float* g, const float* y, int rows, int channels, const float* a, const float* b,
                  const float* c);
void Add(float* out, const float* a, const float* b, std::size_t count);
void Scale(float* x, float factor, std::size_t count);
void Multiply(float* out, const float* a, const float* b, std::size_t count);
void ColumnDot(const float* a, const float* b, int rows, int channels, float* sum);
void Dropout(const DropoutArgs& args);
void Quantize(const QuantizeArgs& args);
void Sgd(const SgdArgs& args);
void Adam(const AdamArgs& args);
void Lerp(float* x, const float* target, float t, std::size_t count);

}  // namespace lathe::LATHE_ISA
