// Quantization of one operator: its weights (linear with one threshold or one an output channel, or a codebook) and the
// activations that enter it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "quantize/linear.h"

namespace lathe {

// Weights that share few values (Han et al. 2016, Deep Compression, section 3).
struct Codebook {
  std::vector<float> centroids;          // 1..256, ascending
  std::vector<std::uint8_t> assignment;  // (weights): the centroid of each
  bool keepsZeros = false;               // the centroid 0 is what was pruned, and stays 0
};

struct OpQuantizer {
  Quantizer weight, activation;
  std::vector<float> channelThresholds;      // one an output channel; empty: weight.threshold for all
  std::shared_ptr<const Codebook> codebook;  // null: linear

  bool quantizesWeights() const { return weight.bits > 0 || codebook; }
  // The linear quantizer of one output channel's weights.
  Quantizer ofChannel(int channel) const {
    Quantizer own = weight;
    if (!channelThresholds.empty()) own.threshold = channelThresholds[channel];
    return own;
  }
};

// out (length) = the quantized weights, (channels, length / channels); out may be weights. Needs quantizesWeights().
void QuantizeWeights(const Kernels& kernels, const OpQuantizer& quantizer, const float* weights, int channels,
                     std::size_t length, float* out);

// codes (length) of linear weights: value = code * QuantizerScale(ofChannel).
void EncodeWeights(const OpQuantizer& quantizer, const float* weights, int channels, std::size_t length,
                   std::int8_t* codes);

}  // namespace lathe
