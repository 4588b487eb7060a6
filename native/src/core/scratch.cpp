#include "core/scratch.h"

#include <stdexcept>

namespace lathe {
namespace {

std::size_t PieceFloats(std::size_t size) { return RoundUpFloats(size) + kMarginFloats; }

}  // namespace

Scratch::Scratch(std::initializer_list<std::size_t> sizes) : size_(sizes_) {
  thread_local AlignedFloats memory;
  if (sizes.size() > std::size(sizes_)) throw std::logic_error("too many pieces of scratch memory");
  std::size_t total = 0;
  std::size_t* out = sizes_;
  for (const std::size_t size : sizes) {
    *out++ = size;
    total += PieceFloats(size);
  }
  if (memory.size() < total) memory = AlignedFloats(total);
  next_ = memory.data();
}

float* Scratch::Next() {
  float* piece = next_;
  next_ += PieceFloats(*size_++);
  return piece;
}

}  // namespace lathe
