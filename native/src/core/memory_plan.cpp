#include "core/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "core/aligned.h"

namespace lathe {

int MemoryPlan::Add(std::size_t floats, int begin, int end) {
  buffers_.push_back({RoundUpFloats(floats) + kMarginFloats, 0, begin, end});
  return static_cast<int>(buffers_.size()) - 1;
}

void MemoryPlan::Solve() {
  std::vector<int> order(buffers_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return buffers_[a].floats > buffers_[b].floats; });
  std::vector<const Buffer*> placed;  // by offset
  for (const int index : order) {
    Buffer& buffer = buffers_[index];
    std::size_t offset = 0;
    for (const Buffer* other : placed) {
      if (other->end < buffer.begin || other->begin > buffer.end) continue;
      if (other->offset >= offset + buffer.floats) break;
      offset = std::max(offset, other->offset + other->floats);
    }
    buffer.offset = offset;
    total_ = std::max(total_, offset + buffer.floats);
    const auto at = std::upper_bound(placed.begin(), placed.end(), &buffer,
                                     [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; });
    placed.insert(at, &buffer);
  }
}

}  // namespace lathe
