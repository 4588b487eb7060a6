// Per-thread working memory of kernels: grows to the largest demand once, then no call allocates.
#pragma once

#include <cstddef>
#include <initializer_list>

#include "core/aligned.h"

namespace lathe {

// Hands out pieces of this thread's working memory for the lifetime of the object. Say all sizes at once: the pieces
// are uninitialised, aligned, and readable a vector past their end. Objects of one thread must not overlap in time.
class Scratch {
 public:
  explicit Scratch(std::initializer_list<std::size_t> sizes);  // floats each

  // The next piece, in the order of the sizes.
  float* Next();

 private:
  float* next_;
  const std::size_t* size_;
  std::size_t sizes_[8];
};

}  // namespace lathe
