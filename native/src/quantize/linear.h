// Linear quantizers, as NativeQuantization in src/main/compute/addon.ts defines them (HAQ's, Wang et al. 2019,
// section 3.4, with a one-bit form). Values stay floats: the quantized value is code * scale.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace lathe {

struct Quantizer {
  int bits = 0;  // 1..8; 0: leaves values alone
  float threshold = 1;
  bool isSigned = true;  // weights, and activations that may be negative
};

// The largest code: 2^(b-1) - 1 signed, 2^b - 1 unsigned; the sign quantizer has -1 and 1.
int LargestCode(const Quantizer& quantizer);
// One bit with a sign: sign(x) * threshold, +1 for 0.
bool IsSign(const Quantizer& quantizer);

// The step between codes, in float: threshold / (2^(b-1) - 1) signed, threshold / (2^b - 1) unsigned; 1 bit: the
// threshold.
float QuantizerScale(const Quantizer& quantizer);

// y = quantized x; y may be x.
void Quantize(const Kernels& kernels, const Quantizer& quantizer, const float* x, float* y, std::size_t count);
// y = codes of x, as floats; y may be x.
void QuantizeToCodes(const Kernels& kernels, const Quantizer& quantizer, const float* x, float* y, std::size_t count);

namespace reference {

// The code of one value, straight from the definition; the quantized value is code * scale.
int Code(const Quantizer& quantizer, float x);
float Quantize(const Quantizer& quantizer, float x);

}  // namespace reference
}  // namespace lathe
