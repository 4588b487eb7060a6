// Places buffers with known lifetimes into one block of memory, so that those that never live together share it.
#pragma once

#include <cstddef>
#include <vector>

namespace lathe {

class MemoryPlan {
 public:
  // A buffer of `floats` that lives from step `begin` to step `end`, both included. Returns its number.
  int Add(std::size_t floats, int begin, int end);

  // Largest first, each at the lowest place where no buffer of an overlapping lifetime lies.
  void Solve();

  std::size_t offset(int buffer) const { return buffers_[buffer].offset; }  // in floats, on a cache line
  std::size_t total() const { return total_; }

 private:
  struct Buffer {
    std::size_t floats, offset;
    int begin, end;
  };
  std::vector<Buffer> buffers_;
  std::size_t total_ = 0;
};

}  // namespace lathe
