// A histogram of values and the clipping threshold with the least squared quantization error over it.
#pragma once

#include <cstdint>
#include <vector>

#include "quantize/linear.h"

namespace lathe {

// Values in equal bins over [low, high].
class Histogram {
 public:
  static constexpr int kBins = 2048;
  static constexpr int kCandidates = 2048;  // thresholds tried: multiples of the largest magnitude / kCandidates

  Histogram(float low, float high);

  // The bin a value falls into; values outside the range go to the ends.
  int BinOf(float value) const;
  // `times` values that stand in the middle of a bin.
  void AddToBin(int bin, std::uint64_t times);
  // One value, exactly.
  void Add(float value);

  // The candidate with the least squared error of `quantizer` (its threshold is not read), the smallest of equal ones;
  // 1 where all values are 0, since any threshold quantizes them exactly. All values must be in.
  float BestThreshold(const Quantizer& quantizer);

 private:
  struct Moments {
    double count = 0, sum = 0, squares = 0;
  };
  void Accumulate();
  double Error(const Quantizer& quantizer, double threshold) const;
  // Squared error of quantizing the values of bins [from, to) to one value.
  double ErrorOf(int from, int to, double value) const;
  // The first bin whose middle is not below the value.
  int FirstBin(double value) const;

  float low_, high_;
  double width_;
  std::vector<Moments> bins_;    // (kBins)
  std::vector<Moments> before_;  // (kBins + 1): sums of the bins before each
};

}  // namespace lathe
