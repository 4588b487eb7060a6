// One-dimensional k-means for weight codebooks (Han et al. 2016, Deep Compression, section 3).
#pragma once

#include <cstddef>

#include "quantize/weights.h"

namespace lathe {

struct ClusterOptions {
  int bits = 0;                      // 1..8: at most 2^bits centroids, fewer where there are fewer different weights
  int iterations = 50;               // of Lloyd's; ends earlier where nothing moves
  bool keepZeros = false;            // weights that are exactly 0 keep a centroid of their own, one of the 2^bits
  const double* uniforms = nullptr;  // (2^bits) numbers in [0, 1): k-means++'s draws
};

// Seeded by k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's iterations in double. A cluster that loses all its
// weights keeps its centroid; at the end unused centroids are dropped.
Codebook ClusterWeights(const float* weights, std::size_t count, const ClusterOptions& options);

}  // namespace lathe
