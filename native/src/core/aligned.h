// Memory for tensors: 64-byte aligned, zeroed, with a readable margin behind it.
#pragma once

#include <cstddef>
#include <utility>

namespace lathe {

// One cache line, and one AVX-512 register.
inline constexpr std::size_t kAlignment = 64;

// Floats that kernels may read (never use) past the end of a tensor: a whole vector load at the last element.
inline constexpr std::size_t kMarginFloats = 32;

// Rounds a number of floats up to whole cache lines.
inline std::size_t RoundUpFloats(std::size_t count) { return (count + 15) / 16 * 16; }

class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(std::size_t size);
  ~AlignedFloats();
  AlignedFloats(AlignedFloats&& other) noexcept { swap(other); }
  AlignedFloats& operator=(AlignedFloats&& other) noexcept {
    AlignedFloats taken(std::move(other));
    swap(taken);
    return *this;
  }
  AlignedFloats(const AlignedFloats&) = delete;
  AlignedFloats& operator=(const AlignedFloats&) = delete;

  float* data() { return data_; }
  const float* data() const { return data_; }
  std::size_t size() const { return size_; }
  float& operator[](std::size_t i) { return data_[i]; }
  const float& operator[](std::size_t i) const { return data_[i]; }
  float* begin() { return data_; }
  float* end() { return data_ + size_; }

 private:
  void swap(AlignedFloats& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(alignment_, other.alignment_);
  }

  float* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t alignment_ = kAlignment;  // in bytes
};

// While one lives, AlignedFloats of this thread are counted and left untouched (not zeroed): what a plan needs is known
// without the memory being used.
class MemoryCount {
 public:
  MemoryCount();
  ~MemoryCount();
  MemoryCount(const MemoryCount&) = delete;
  MemoryCount& operator=(const MemoryCount&) = delete;
  std::size_t bytes() const { return bytes_; }

 private:
  friend class AlignedFloats;
  std::size_t bytes_ = 0;
  MemoryCount* outer_;
};

}  // namespace lathe
