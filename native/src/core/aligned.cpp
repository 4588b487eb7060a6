#include "core/aligned.h"

#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace lathe {
namespace {

// A training step walks through tens of megabytes; on 4 KiB pages it would miss the address cache all the time, most of
// all in a virtual machine, where each miss walks two page tables.
constexpr std::size_t kHugePage = std::size_t{1} << 21;

thread_local MemoryCount* counting = nullptr;

}  // namespace

MemoryCount::MemoryCount() : outer_(counting) { counting = this; }
MemoryCount::~MemoryCount() { counting = outer_; }

AlignedFloats::AlignedFloats(std::size_t size) : size_(size) {
  std::size_t bytes = (RoundUpFloats(size) + kMarginFloats) * sizeof(float);
  if (bytes >= kHugePage) {
    alignment_ = kHugePage;
    bytes = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  }
  data_ = static_cast<float*>(::operator new(bytes, std::align_val_t{alignment_}));
  if (counting) {
    counting->bytes_ += bytes;
    return;
  }
#if defined(__linux__)
  if (alignment_ == kHugePage) madvise(data_, bytes, MADV_HUGEPAGE);  // a wish: nothing depends on its answer
#endif
  std::memset(data_, 0, bytes);
}

AlignedFloats::~AlignedFloats() { ::operator delete(data_, std::align_val_t{alignment_}); }

}  // namespace lathe
