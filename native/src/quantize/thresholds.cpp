#include "quantize/thresholds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quantize/histogram.h"

namespace lathe {
namespace {

constexpr int kMaxKlBins = 1024;

// Value at `position` in 0..count-1 of a piecewise linear function through values (count).
double Interpolate(const double* values, int count, double position) {
  const int left = std::min(static_cast<int>(position), count - 1);
  if (left + 1 >= count) return values[count - 1];
  const double share = position - left;
  return values[left] + share * (values[left + 1] - values[left]);
}

// Where the i-th of `count` equidistant points lies among `other` equidistant points of the same range.
double Place(int i, int count, int other) {
  return count > 1 ? static_cast<double>(i) * (other - 1) / (count - 1) : 0.0;
}

struct Magnitudes {
  std::vector<float> sorted;
  double mean = 0;
  float largest() const { return sorted.empty() ? 0 : sorted.back(); }
};

Magnitudes MagnitudesOf(const float* weights, std::size_t count) {
  Magnitudes m;
  m.sorted.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    m.sorted[i] = std::abs(weights[i]);
    m.mean += m.sorted[i];
  }
  m.mean /= static_cast<double>(count);
  std::sort(m.sorted.begin(), m.sorted.end());
  return m;
}

float KlOf(const Magnitudes& m, int bits) {
  const int bins =
      std::clamp(static_cast<int>(std::ceil(std::sqrt(static_cast<double>(m.sorted.size())))), 1, kMaxKlBins);
  const double width = static_cast<double>(m.largest()) / bins;
  std::vector<double> counts(bins);
  for (const float x : m.sorted) ++counts[std::min(bins - 1, static_cast<int>(x / width))];
  return static_cast<float>(KlThreshold(counts, width, bits));
}

// Of sorted magnitudes: the smallest one that `share` of them does not exceed.
float PercentileOf(const Magnitudes& m, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(m.sorted.size())));
  return m.sorted[std::clamp<std::size_t>(rank, 1, m.sorted.size()) - 1];
}

double SquaredError(const Magnitudes& m, const Quantizer& quantizer) {
  const float scale = QuantizerScale(quantizer), high = static_cast<float>(LargestCode(quantizer));
  double error = 0;
  for (const float x : m.sorted) {
    const float d = std::nearbyint(std::min(x / scale, high)) * scale - x;
    error += static_cast<double>(d) * d;
  }
  return error;
}

float ChannelMse(const Magnitudes& m, int bits) {
  float best = m.largest();
  double least = std::numeric_limits<double>::infinity();
  for (int i = 1; i <= kChannelCandidates; ++i) {
    const float threshold = m.largest() * static_cast<float>(i) / kChannelCandidates;
    if (!(threshold > 0)) continue;
    const double error = SquaredError(m, {bits, threshold, true});
    if (error < least) {
      least = error;
      best = threshold;
    }
  }
  return best;
}

// The rules that need the magnitudes alone; kMse is the caller's.
float RuleOf(const Magnitudes& m, int bits, const ThresholdOptions& options) {
  switch (options.rule) {
    case ThresholdRule::kKl:
      return KlOf(m, bits);
    case ThresholdRule::kPercentile:
      return PercentileOf(m, options.percentile);
    default:
      return m.largest();
  }
}

// Thresholds must be positive: where a rule gives none (its percentile is 0), the largest magnitude stands in.
float Usable(float threshold, float largest) { return threshold > 0 ? std::min(threshold, largest) : largest; }

}  // namespace

double KlThreshold(const std::vector<double>& counts, double width, int bits) {
  const int bins = static_cast<int>(counts.size()), n = 1 << std::max(0, bits - 1);
  if (n + 1 > bins) return bins * width;
  std::vector<double> cumulative(bins), p(bins), coarse(n), logs(bins);
  double total = 0;
  for (int i = 0; i < bins; ++i) cumulative[i] = total += counts[i];
  for (int i = 0; i < bins; ++i) {
    cumulative[i] /= total;
    logs[i] = cumulative[i] > 0 ? std::log2(cumulative[i]) : 0;
  }
  double best = bins * width, least = std::numeric_limits<double>::infinity();
  for (int i = n + 1; i <= bins; ++i) {
    std::copy_n(cumulative.data(), i, p.data());
    p[i - 1] = 1;  // what lies behind is clipped to here
    for (int j = 0; j < n; ++j) coarse[j] = Interpolate(p.data(), i, Place(j, n, i));
    double divergence = 0;
    for (int j = 0; j < bins; ++j) {
      const double q = j < i ? Interpolate(coarse.data(), n, Place(j, i, n)) : 1.0;
      if (cumulative[j] > 0 && q > 0) divergence += (cumulative[j] - q) * (logs[j] - std::log2(q));
    }
    if (divergence < least) {
      least = divergence;
      best = (i + 0.5) * width;
    }
  }
  return best;
}

double PercentileThreshold(const std::vector<double>& counts, double width, double share) {
  double total = 0;
  for (const double count : counts) total += count;
  double left = share * total;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] >= left) return (static_cast<double>(i) + (counts[i] > 0 ? left / counts[i] : 0)) * width;
    left -= counts[i];
  }
  return static_cast<double>(counts.size()) * width;
}

void WeightThresholds(const float* weights, std::size_t count, const ThresholdOptions& options, float* thresholds) {
  const Magnitudes m = MagnitudesOf(weights, count);
  thresholds[0] = 0;
  if (!(m.largest() > 0)) {
    std::fill_n(thresholds + 1, 8, 1.0f);
    return;
  }
  thresholds[1] = static_cast<float>(m.mean);
  // The quantizer is symmetric, so the error of w is that of |w|.
  Histogram histogram(0, m.largest());
  if (options.rule == ThresholdRule::kMse) {
    for (std::size_t i = 0; i < count; ++i) histogram.Add(std::abs(weights[i]));
  }
  for (int bits = 2; bits <= 8; ++bits) {
    const bool mse = options.rule == ThresholdRule::kMse;
    thresholds[bits] = mse ? histogram.BestThreshold({bits, 1, true}) : Usable(RuleOf(m, bits, options), m.largest());
  }
}

void ChannelThresholds(const float* weights, std::size_t count, int channels, const ThresholdOptions& options,
                       float* thresholds) {
  const std::size_t row = count / channels;
  for (int c = 0; c < channels; ++c) {
    const Magnitudes m = MagnitudesOf(weights + c * row, row);
    thresholds[c] = 0;
    for (int bits = 1; bits <= 8; ++bits) {
      float threshold = 1;
      if (m.largest() > 0) {
        const bool mse = options.rule == ThresholdRule::kMse;
        threshold = bits == 1 ? static_cast<float>(m.mean)
                    : mse     ? ChannelMse(m, bits)
                              : Usable(RuleOf(m, bits, options), m.largest());
      }
      thresholds[static_cast<std::size_t>(bits) * channels + c] = threshold;
    }
  }
}

}  // namespace lathe
