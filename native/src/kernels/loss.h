// Softmax cross-entropy, fast form.
#pragma once

#include <cstdint>

namespace lathe {

struct LossSums {
  double loss = 0;                // sum over the images, not mean
  std::uint32_t correct = 0;      // images whose largest logit (the first of equal ones) is the label's
  std::uint32_t correctTop5 = 0;  // whose label's logit is among the five largest
};

// logits is (batch, classes); dLogits, if not null, becomes the gradient of the mean loss over `meanOver` images. Sums
// run in image order. With smoothing the label has the target 1 - smoothing + smoothing / classes and every other class
// smoothing / classes (C. Szegedy et al., arXiv 1512.00567, section 7).
LossSums SoftmaxCrossEntropy(const float* logits, const std::uint8_t* labels, int batch, int classes, int meanOver,
                             float smoothing, float* dLogits);

}  // namespace lathe
