// The one pool of compute threads of the process. A parallel region is a fixed number of chunks; whoever is free takes
// the next one. What a chunk computes must depend on its number alone, so results never depend on who computed it.
#pragma once

#include <atomic>

#include "core/function_ref.h"

namespace lathe {

// The caller's thread counts as one of them. Waits for a running region, not for a running call.
void SetThreadCount(int threads);
int ThreadCount();

// Physical cores this process may use where that can be told, else logical ones.
int PhysicalCores();

// In which order a thread goes through its share of the chunks. An operator that goes the other way than the one before
// it starts with what is still in the cache.
enum class Direction { kForward, kBackward };

// Runs body(chunk) for every chunk in [0, chunks) and returns when all are done; the caller takes part. Each thread
// begins with a fixed share, so that it meets again what it wrote in the region before, and then helps others. If it
// throws, the first exception is thrown again here, after the region. If another caller holds the pool, or where a body
// starts another region, the calling thread computes all chunks itself.
void ParallelFor(int chunks, FunctionRef<void(int)> body, Direction direction = Direction::kForward);

// While one lives, regions that this thread starts pass over the chunks that begin after `cancelled` (null: never) was
// set. What they were to compute is then of no use: the caller asks `stop` before it goes on.
class CancelScope {
 public:
  explicit CancelScope(const std::atomic<bool>* cancelled);
  ~CancelScope();
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;
  bool stop() const { return cancelled_ && cancelled_->load(std::memory_order_relaxed); }

 private:
  const std::atomic<bool>* cancelled_;
  const std::atomic<bool>* outer_;
};

}  // namespace lathe
