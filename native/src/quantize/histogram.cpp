#include "quantize/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {

Histogram::Histogram(float low, float high)
    : low_(low), high_(high), width_((static_cast<double>(high) - low) / kBins), bins_(kBins) {}

int Histogram::BinOf(float value) const {
  if (!(width_ > 0)) return 0;
  return std::clamp(static_cast<int>((value - static_cast<double>(low_)) / width_), 0, kBins - 1);
}

void Histogram::AddToBin(int bin, std::uint64_t times) {
  const double count = static_cast<double>(times), value = low_ + (bin + 0.5) * width_;
  bins_[bin].count += count;
  bins_[bin].sum += count * value;
  bins_[bin].squares += count * value * value;
}

void Histogram::Add(float value) {
  Moments& bin = bins_[BinOf(value)];
  bin.count += 1;
  bin.sum += value;
  bin.squares += static_cast<double>(value) * value;
}

void Histogram::Accumulate() {
  before_.assign(kBins + 1, {});
  for (int i = 0; i < kBins; ++i) {
    before_[i + 1] = {before_[i].count + bins_[i].count, before_[i].sum + bins_[i].sum,
                      before_[i].squares + bins_[i].squares};
  }
}

int Histogram::FirstBin(double value) const {
  return std::clamp(static_cast<int>(std::ceil((value - low_) / width_ - 0.5)), 0, kBins);
}

double Histogram::ErrorOf(int from, int to, double value) const {
  const Moments &a = before_[from], &b = before_[to];
  return (b.squares - a.squares) - 2 * value * (b.sum - a.sum) + value * value * (b.count - a.count);
}

double Histogram::Error(const Quantizer& quantizer, double threshold) const {
  if (quantizer.isSigned && quantizer.bits == 1) {
    const int zero = FirstBin(0);
    return ErrorOf(0, zero, -threshold) + ErrorOf(zero, kBins, threshold);
  }
  const int high = (1 << (quantizer.isSigned ? quantizer.bits - 1 : quantizer.bits)) - 1;
  const double scale = threshold / high;
  double error = 0;
  int from = 0;
  for (int code = quantizer.isSigned ? -high : 0; code <= high; ++code) {
    const int to = code == high ? kBins : std::max(from, FirstBin((code + 0.5) * scale));
    error += ErrorOf(from, to, code * scale);
    from = to;
  }
  return error;
}

float Histogram::BestThreshold(const Quantizer& quantizer) {
  const double largest = std::max(std::abs(static_cast<double>(low_)), std::abs(static_cast<double>(high_)));
  if (!(largest > 0)) return 1.0f;
  if (before_.empty()) Accumulate();
  double best = largest, least = std::numeric_limits<double>::infinity();
  for (int i = 1; i <= kCandidates; ++i) {
    const double threshold = largest * i / kCandidates;
    const double error = Error(quantizer, threshold);
    if (error < least) {
      least = error;
      best = threshold;
    }
  }
  return static_cast<float>(best);
}

}  // namespace lathe
