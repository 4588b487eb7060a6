#include "quantize/calibrate.h"

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"

namespace lathe {

namespace {

constexpr std::size_t kMaxKlBins = 1024;

// Counts of magnitudes in equal bins from 0 on.
std::vector<double> MagnitudeCounts(const std::vector<std::uint64_t>& counts, bool isSigned) {
  if (!isSigned) return {counts.begin(), counts.end()};
  const std::size_t half = counts.size() / 2;  // bins lie symmetrically around 0
  std::vector<double> magnitudes(half);
  for (std::size_t i = 0; i < half; ++i) {
    magnitudes[i] = static_cast<double>(counts[half + i]) + static_cast<double>(counts[half - 1 - i]);
  }
  return magnitudes;
}

// As many bins as HAQ takes, the root of the number of values, in the powers of two that merging bins can give.
std::vector<double> MergeForKl(std::vector<double> counts) {
  double total = 0;
  for (const double count : counts) total += count;
  while (counts.size() > kMaxKlBins || static_cast<double>(counts.size()) > std::sqrt(total)) {
    if (counts.size() < 4) break;
    for (std::size_t i = 0; i < counts.size() / 2; ++i) counts[i] = counts[2 * i] + counts[2 * i + 1];
    counts.resize(counts.size() / 2);
  }
  return counts;
}

}  // namespace

Calibrator::Calibrator(const Graph& graph, const Program& program, const std::vector<int>& quantizable) {
  for (const int op : quantizable) {
    Seen seen;
    seen.op = op;
    seen.calibration.op = program.ops[op].name;
    seen.calibration.isSigned = !graph.NonNegative(program.ops[op].inputs[0]);
    seen_.push_back(std::move(seen));
  }
}

Calibrator::Seen* Calibrator::Find(int op) {
  const auto at = std::find_if(seen_.begin(), seen_.end(), [&](const Seen& s) { return s.op == op; });
  return at == seen_.end() ? nullptr : &*at;
}

void Calibrator::AddToRange(int op, const float* values, std::size_t count) {
  Seen* seen = Find(op);
  if (!seen || count == 0) return;
  const auto [low, high] = std::minmax_element(values, values + count);
  const std::lock_guard lock(mutex_);
  Calibration& c = seen->calibration;
  c.minimum = seen->any ? std::min(c.minimum, *low) : *low;
  c.maximum = seen->any ? std::max(c.maximum, *high) : *high;
  seen->any = true;
}

void Calibrator::PrepareHistograms() {
  for (Seen& seen : seen_) {
    const Calibration& c = seen.calibration;
    const float largest = std::max(std::abs(c.minimum), std::abs(c.maximum));
    seen.histogram = std::make_unique<Histogram>(c.isSigned ? -largest : 0.0f, largest);
    seen.counts.assign(Histogram::kBins, 0);
  }
}

void Calibrator::AddToHistogram(int op, const float* values, std::size_t count) {
  Seen* seen = Find(op);
  if (!seen) return;
  std::vector<std::uint32_t> counts(Histogram::kBins, 0);
  for (std::size_t i = 0; i < count; ++i) ++counts[seen->histogram->BinOf(values[i])];
  const std::lock_guard lock(mutex_);
  for (int bin = 0; bin < Histogram::kBins; ++bin) seen->counts[bin] += counts[bin];
}

void Calibrator::ActivationThresholds(Seen& seen, const ThresholdOptions& options) {
  const Calibration& c = seen.calibration;
  const double largest = std::max(std::abs(c.minimum), std::abs(c.maximum));
  const std::vector<double> counts = MagnitudeCounts(seen.counts, c.isSigned);
  const std::vector<double> merged = options.rule == ThresholdRule::kKl ? MergeForKl(counts) : std::vector<double>{};
  for (int bits = 1; bits <= 8; ++bits) {
    const Quantizer quantizer{bits, 1, c.isSigned};
    double threshold = 0;
    if (options.rule == ThresholdRule::kMse || IsSign(quantizer) || !(largest > 0)) {
      threshold = seen.histogram->BestThreshold(quantizer);  // sign(x) has a scale, and nothing that it clips
    } else if (options.rule == ThresholdRule::kKl) {
      threshold = KlThreshold(merged, largest / static_cast<double>(merged.size()), c.isSigned ? bits - 1 : bits);
    } else if (options.rule == ThresholdRule::kPercentile) {
      threshold = PercentileThreshold(counts, largest / static_cast<double>(counts.size()), options.percentile);
    }
    const double usable = threshold > 0 ? threshold : largest;  // thresholds must be positive
    seen.calibration.activationThresholds[bits] = static_cast<float>(largest > 0 ? std::min(usable, largest) : usable);
  }
}

std::vector<Calibration> Calibrator::Finish(const ParameterLayout& layout, const float* parameters,
                                            const ThresholdOptions& options, bool perChannel) {
  ParallelFor(static_cast<int>(seen_.size()), [&](int i) {
    Seen& seen = seen_[i];
    for (int bin = 0; bin < Histogram::kBins; ++bin) seen.histogram->AddToBin(bin, seen.counts[bin]);
    ActivationThresholds(seen, options);
    const Parameter& weight = *layout.Find(seen.op, Role::kWeight);
    const float* weights = parameters + weight.offset;
    WeightThresholds(weights, weight.length, options, seen.calibration.weightThresholds);
    if (!perChannel) return;
    const int channels = weight.shape.front();
    seen.calibration.channelThresholds.resize(static_cast<std::size_t>(9) * channels);
    ChannelThresholds(weights, weight.length, channels, options, seen.calibration.channelThresholds.data());
  });
  std::vector<Calibration> result;
  for (Seen& seen : seen_) result.push_back(std::move(seen.calibration));
  return result;
}

}  // namespace lathe
