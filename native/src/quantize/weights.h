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
  // Whether the operator multiplies whole numbers by whole numbers.
  bool codesBoth() const { return weight.bits > 0 && !codebook && activation.bits > 0; }
  // The linear quantizer of one output channel's weights.
  Quantizer ofChannel(int channel) const {
    Quantizer own = weight;
    if (!channelThresholds.empty()) own.threshold = channelThresholds[channel];
    return own;
  }
};

// What one unit of a sum of products of both codes is worth, of an output channel. Needs codesBoth().
double StepOf(const OpQuantizer& quantizer, int channel);

// out (length) = the quantized weights, (channels, length / channels); out may be weights. Needs quantizesWeights().
void QuantizeWeights(const Kernels& kernels, const OpQuantizer& quantizer, const float* weights, int channels,
                     std::size_t length, float* out);

// codes (length) of linear weights, as floats: value = code * QuantizerScale(ofChannel). out may be weights.
void EncodeWeights(const Kernels& kernels, const OpQuantizer& quantizer, const float* weights, int channels,
                   std::size_t length, float* codes);

}  // namespace lathe
