#include "quantize/weights.h"

namespace lathe {

void QuantizeWeights(const Kernels& kernels, const OpQuantizer& quantizer, const float* weights, int channels,
                     std::size_t length, float* out) {
  if (const Codebook* book = quantizer.codebook.get()) {
    for (std::size_t i = 0; i < length; ++i) out[i] = book->centroids[book->assignment[i]];
    return;
  }
  if (quantizer.channelThresholds.empty()) {
    Quantize(kernels, quantizer.weight, weights, out, length);
    return;
  }
  const std::size_t row = length / channels;
  for (int c = 0; c < channels; ++c) Quantize(kernels, quantizer.ofChannel(c), weights + c * row, out + c * row, row);
}

void EncodeWeights(const OpQuantizer& quantizer, const float* weights, int channels, std::size_t length,
                   std::int8_t* codes) {
  const std::size_t row = length / channels;
  for (int c = 0; c < channels; ++c) {
    const Quantizer own = quantizer.ofChannel(c);
    for (std::size_t i = c * row; i < (c + 1) * row; ++i) {
      codes[i] = static_cast<std::int8_t>(reference::Code(own, weights[i]));
    }
  }
}

}  // namespace lathe
