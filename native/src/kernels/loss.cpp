#include "kernels/loss.h"

#include <cmath>

namespace lathe {

LossSums SoftmaxCrossEntropy(const float* logits, const std::uint8_t* labels, int batch, int classes, int meanOver,
                             float* dLogits) {
  LossSums sums;
  const float share = 1.0f / static_cast<float>(meanOver);
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
    sums.loss += std::log(sum) - (row[label] - top);
    sums.correct += best == label ? 1 : 0;
    if (!dLogits) continue;
    float* gradient = dLogits + static_cast<std::ptrdiff_t>(n) * classes;
    for (int c = 0; c < classes; ++c) {
      gradient[c] = (std::exp(row[c] - top) / sum - (c == label ? 1.0f : 0.0f)) * share;
    }
  }
  return sums;
}

}  // namespace lathe
