#include "quantize/calibrate.h"

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"

namespace lathe {

void WeightThresholds(const float* weights, std::size_t count, float* thresholds) {
  float largest = 0;
  double magnitudes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::abs(weights[i]));
    magnitudes += std::abs(weights[i]);
  }
  // The quantizer is symmetric, so the error of w is that of |w|.
  Histogram histogram(0, largest);
  for (std::size_t i = 0; i < count; ++i) histogram.Add(std::abs(weights[i]));
  thresholds[0] = 0;
  thresholds[1] = largest > 0 ? static_cast<float>(magnitudes / static_cast<double>(count)) : 1.0f;
  for (int bits = 2; bits <= 8; ++bits) thresholds[bits] = histogram.BestThreshold({bits, 1, true});
}

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

std::vector<Calibration> Calibrator::Finish(const ParameterLayout& layout, const float* parameters) {
  ParallelFor(static_cast<int>(seen_.size()), [&](int i) {
    Seen& seen = seen_[i];
    for (int bin = 0; bin < Histogram::kBins; ++bin) seen.histogram->AddToBin(bin, seen.counts[bin]);
    for (int bits = 1; bits <= 8; ++bits) {
      seen.calibration.activationThresholds[bits] = seen.histogram->BestThreshold({bits, 1, seen.calibration.isSigned});
    }
    const Parameter& weight = *layout.Find(seen.op, Role::kWeight);
    WeightThresholds(parameters + weight.offset, weight.length, seen.calibration.weightThresholds);
  });
  std::vector<Calibration> result;
  for (const Seen& seen : seen_) result.push_back(seen.calibration);
  return result;
}

}  // namespace lathe
