#include "quantize/linear.h"

#include <algorithm>
#include <cmath>

namespace lathe {

bool IsSign(const Quantizer& quantizer) { return quantizer.isSigned && quantizer.bits == 1; }

int LargestCode(const Quantizer& quantizer) {
  if (IsSign(quantizer)) return 1;
  return (1 << (quantizer.isSigned ? quantizer.bits - 1 : quantizer.bits)) - 1;
}

float QuantizerScale(const Quantizer& quantizer) {
  return quantizer.threshold / static_cast<float>(LargestCode(quantizer));
}

namespace {

QuantizeArgs ArgsOf(const Quantizer& quantizer, const float* x, float* y, std::size_t count) {
  QuantizeArgs args;
  args.count = count;
  args.x = x;
  args.y = y;
  args.scale = QuantizerScale(quantizer);
  args.sign = IsSign(quantizer);
  args.high = static_cast<float>(LargestCode(quantizer));
  args.low = quantizer.isSigned ? -args.high : 0.0f;
  return args;
}

}  // namespace

void Quantize(const Kernels& kernels, const Quantizer& quantizer, const float* x, float* y, std::size_t count) {
  QuantizeArgs args = ArgsOf(quantizer, x, y, count);
  args.unit = args.scale;
  kernels.quantize(args);
}

void QuantizeToCodes(const Kernels& kernels, const Quantizer& quantizer, const float* x, float* y, std::size_t count) {
  kernels.quantize(ArgsOf(quantizer, x, y, count));
}

int reference::Code(const Quantizer& quantizer, float x) {
  if (IsSign(quantizer)) return x >= 0 ? 1 : -1;
  const auto high = static_cast<float>(LargestCode(quantizer)), low = quantizer.isSigned ? -high : 0.0f;
  return static_cast<int>(std::nearbyint(std::clamp(x / QuantizerScale(quantizer), low, high)));
}

float reference::Quantize(const Quantizer& quantizer, float x) {
  return static_cast<float>(Code(quantizer, x)) * QuantizerScale(quantizer);
}

}  // namespace lathe
