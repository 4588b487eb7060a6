// Weight gradients by chunk, added up in chunk order after the region: the sum never depends on who computed what.
#pragma once

#include <algorithm>

#include "core/aligned.h"
#include "core/partition.h"
#include "core/thread_pool.h"
#include "kernels/kernels.h"

namespace lathe {

class PartialSums {
 public:
  void Resize(std::size_t size, int chunks) {
    size_ = size;
    stride_ = RoundUpFloats(size);
    if (memory_.size() < stride_ * chunks) memory_ = AlignedFloats(stride_ * chunks);
  }

  // A chunk's own sums, zeroed.
  float* Begin(int chunk) {
    float* own = memory_.data() + stride_ * chunk;
    std::fill_n(own, size_, 0.0f);
    return own;
  }
  float* Of(int chunk) { return memory_.data() + stride_ * chunk; }

  // out (size) = sum over the chunks.
  void Reduce(const Kernels& kernels, int chunks, float* out) {
    const Partition slices(static_cast<int>(size_), 1024, static_cast<std::int64_t>(size_) * chunks * 8);
    ParallelFor(slices.count(), [&](int slice) {
      const Range range = slices[slice];
      float* to = out + range.begin;
      std::copy_n(Of(0) + range.begin, range.size(), to);
      for (int chunk = 1; chunk < chunks; ++chunk) kernels.add(to, to, Of(chunk) + range.begin, range.size());
    });
  }

 private:
  std::size_t size_ = 0, stride_ = 0;
  AlignedFloats memory_;
};

// Chunks for which partial sums of `size` floats stay within a megabyte, so that they are added up from cache; at least
// four, for four threads.
inline int PartialLimit(std::size_t size) {
  return std::clamp(static_cast<int>((std::size_t{1} << 18) / std::max<std::size_t>(size, 1)), 4, kMaxChunks);
}

}  // namespace lathe
