// Fixed division of work into chunks. It depends on the work alone, never on the number of threads, so results do not
// either.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lathe {

struct Range {
  int begin = 0;
  int end = 0;
  int size() const { return end - begin; }
};

// Upper bound of chunks in one region; per-chunk partial sums are laid out for it.
inline constexpr int kMaxChunks = 32;

// A chunk should take some ten microseconds: handing it out costs well under one. At the 30 multiply-adds a nanosecond
// of a wide core that is some 2^18 of them; memory-bound work counts its bytes instead, at about the same rate.
inline constexpr std::int64_t kChunkWork = 1 << 18;

class Partition {
 public:
  // `items` in whole multiples of `grain`, but the last; `work` is the total, in multiply-adds.
  Partition(int items, int grain, std::int64_t work, int limit = kMaxChunks)
      : items_(items), grain_(std::max(1, grain)) {
    const int grains = (items + grain_ - 1) / grain_;
    const auto wanted = std::max<std::int64_t>(1, work / kChunkWork);
    count_ = static_cast<int>(std::min<std::int64_t>({wanted, grains, limit}));
    count_ = std::max(1, count_);
    grains_ = grains;
  }

  int count() const { return count_; }
  Range operator[](int chunk) const { return {Edge(chunk), Edge(chunk + 1)}; }

 private:
  int Edge(int chunk) const {
    return std::min(items_, static_cast<int>(static_cast<std::int64_t>(grains_) * chunk / count_) * grain_);
  }

  int items_;
  int grain_;
  int grains_ = 0;
  int count_ = 1;
};

}  // namespace lathe
