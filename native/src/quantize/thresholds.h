// Clipping thresholds by other rules than the least squared error (which is histogram.h's).
#pragma once

#include <cstddef>
#include <vector>

#include "quantize/weights.h"

namespace lathe {

enum class ThresholdRule {
  kMse,         // least squared error
  kMaximum,     // the largest magnitude
  kKl,          // HAQ's divergence of the cumulative distributions
  kPercentile,  // the magnitude that a share of the values does not exceed
};

struct ThresholdOptions {
  ThresholdRule rule = ThresholdRule::kMse;
  double percentile = 0.9999;  // of kPercentile, in (0, 1]
};

// counts of magnitudes in equal bins from 0 on, of the given width; `bits` as HAQ counts them: signed activations have
// one less. The candidate i + 0.5 bins whose cumulative distribution, clipped there and resampled to 2^(bits-1) points
// and back, is nearest to the true one by the symmetrised Kullback-Leibler divergence in bits; all bins where there are
// too few of them. Source: HAQ's released code (mit-han-lab/haq, lib/utils/quantize_utils.py).
double KlThreshold(const std::vector<double>& counts, double width, int bits);

// The edge that `share` of the values lies below, interpolated within a bin.
double PercentileThreshold(const std::vector<double>& counts, double width, double share);

// Thresholds of weights for 1..8 bits; entry 0 is 0. One bit takes the mean of |w|, the least-squares scale of sign(w)
// (Rastegari et al. 2016, XNOR-Net, eq. 6); where all weights are 0 every entry is 1.
void WeightThresholds(const float* weights, std::size_t count, const ThresholdOptions& options, float* thresholds);

// The same for each output channel: thresholds is (9, channels). The least squared error is looked for among
// kChannelCandidates multiples of the channel's largest magnitude, over the weights themselves.
inline constexpr int kChannelCandidates = 128;
void ChannelThresholds(const float* weights, std::size_t count, int channels, const ThresholdOptions& options,
                       float* thresholds);

}  // namespace lathe
