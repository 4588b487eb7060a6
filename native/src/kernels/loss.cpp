#include "kernels/loss.h"

#include <cmath>

namespace lathe {
namespace {

// How many logits come before the label's: larger ones, and equal ones of smaller classes. Where it or another is not a
// number it loses.
int Rank(const float* row, int classes, int label) {
  int before = 0;
  for (int c = 0; c < label; ++c) before += row[c] < row[label] ? 0 : 1;
  for (int c = label + 1; c < classes; ++c) before += row[c] <= row[label] ? 0 : 1;
  return before;
}

}  // namespace

LossSums SoftmaxCrossEntropy(const float* logits, const std::uint8_t* labels, int batch, int classes, int meanOver,
                             float smoothing, float* dLogits) {
  LossSums sums;
  const float share = 1.0f / static_cast<float>(meanOver);
  const float onOthers = smoothing / static_cast<float>(classes), onLabel = 1.0f - smoothing + onOthers;
  for (int n = 0; n < batch; ++n) {
    const float* row = logits + static_cast<std::ptrdiff_t>(n) * classes;
    int best = 0;
    for (int c = 1; c < classes; ++c) {
      if (row[c] > row[best]) best = c;
    }
    const float top = row[best];  // subtracted so that no exponential overflows
    float sum = 0;
    for (int c = 0; c < classes; ++c) sum += std::exp(row[c] - top);
    const int label = labels[n];
    // The sum of target * -log(probability), as the targets sum to 1.
    sums.loss += std::log(sum) - (1.0f - smoothing) * (row[label] - top);
    if (smoothing > 0) {
      float rest = 0;
      for (int c = 0; c < classes; ++c) rest += row[c] - top;
      sums.loss -= onOthers * rest;
    }
    sums.correct += best == label ? 1 : 0;
    sums.correctTop5 += Rank(row, classes, label) < 5 ? 1 : 0;
    if (!dLogits) continue;
    float* gradient = dLogits + static_cast<std::ptrdiff_t>(n) * classes;
    for (int c = 0; c < classes; ++c) {
      gradient[c] = (std::exp(row[c] - top) / sum - (c == label ? onLabel : onOthers)) * share;
    }
  }
  return sums;
}

}  // namespace lathe
