#include "quantize/linear.h"

#include <algorithm>
#include <cmath>

namespace lathe {
namespace {

// The largest code.
float Levels(const Quantizer& q) { return static_cast<float>((1 << (q.isSigned ? q.bits - 1 : q.bits)) - 1); }

bool IsSign(const Quantizer& q) { return q.isSigned && q.bits == 1; }

}  // namespace

float QuantizerScale(const Quantizer& quantizer) {
  return IsSign(quantizer) ? quantizer.threshold : quantizer.threshold / Levels(quantizer);
}

void Quantize(const Kernels& kernels, const Quantizer& quantizer, const float* x, float* y, std::size_t count) {
  QuantizeArgs args;
  args.count = count;
  args.x = x;
  args.y = y;
  args.scale = QuantizerScale(quantizer);
  args.sign = IsSign(quantizer);
  args.high = Levels(quantizer);
  args.low = quantizer.isSigned ? -args.high : 0.0f;
  kernels.quantize(args);
}

float reference::Quantize(const Quantizer& quantizer, float x) {
  const float scale = QuantizerScale(quantizer);
  if (IsSign(quantizer)) return x >= 0 ? scale : -scale;
  const float high = Levels(quantizer), low = quantizer.isSigned ? -high : 0.0f;
  return std::nearbyint(std::clamp(x / scale, low, high)) * scale;
}

}  // namespace lathe
