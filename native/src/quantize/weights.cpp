#include "quantize/weights.h"

namespace lathe {

double StepOf(const OpQuantizer& quantizer, int channel) {
  return static_cast<double>(QuantizerScale(quantizer.activation)) * QuantizerScale(quantizer.ofChannel(channel));
}

namespace {

// quantize(quantizer, begin, count) over pieces that share a quantizer.
template <typename Body>
void ForPieces(const OpQuantizer& quantizer, int channels, std::size_t length, Body quantize) {
  if (quantizer.channelThresholds.empty()) {
    quantize(quantizer.weight, std::size_t{0}, length);
    return;
  }
  const std::size_t row = length / channels;
  for (int c = 0; c < channels; ++c) quantize(quantizer.ofChannel(c), c * row, row);
}

}  // namespace

void QuantizeWeights(const Kernels& kernels, const OpQuantizer& quantizer, const float* weights, int channels,
                     std::size_t length, float* out) {
  if (const Codebook* book = quantizer.codebook.get()) {
    for (std::size_t i = 0; i < length; ++i) out[i] = book->centroids[book->assignment[i]];
    return;
  }
  ForPieces(quantizer, channels, length, [&](const Quantizer& own, std::size_t begin, std::size_t count) {
    Quantize(kernels, own, weights + begin, out + begin, count);
  });
}

void EncodeWeights(const Kernels& kernels, const OpQuantizer& quantizer, const float* weights, int channels,
                   std::size_t length, float* codes) {
  ForPieces(quantizer, channels, length, [&](const Quantizer& own, std::size_t begin, std::size_t count) {
    QuantizeToCodes(kernels, own, weights + begin, codes + begin, count);
  });
}

}  // namespace lathe
