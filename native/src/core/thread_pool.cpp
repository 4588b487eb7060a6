#include "core/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#include "core/denormals.h"

namespace lathe {
namespace {

// Regions of a training step follow each other within microseconds, so a short spin saves two context switches a
// region; it is bounded because another process may want the core.
constexpr auto kSpin = std::chrono::microseconds(40);

// Whether this thread is computing a chunk.
thread_local bool insideRegion = false;

inline void CpuRelax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until ready() or until the bound; returns ready()'s last answer.
template <typename Ready>
bool SpinUntil(Ready ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      CpuRelax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

class Pool {
 public:
  Pool() { Start(PhysicalCores()); }

  int count() const { return count_.load(std::memory_order_relaxed); }

  void Resize(int threads) {
    const std::lock_guard lock(mutex_);
    if (threads == count()) return;
    Stop();
    Start(threads);
  }

  void Run(int chunks, FunctionRef<void(int)> body, Direction direction) {
    if (chunks <= 0) return;
    if (chunks > 1 && chunks < kMaxChunks && count() > 1 && !insideRegion && mutex_.try_lock()) {
      const std::lock_guard lock(mutex_, std::adopt_lock);
      RunShared(chunks, body, direction);
      return;
    }
    for (int i = 0; i < chunks; ++i) body(direction == Direction::kForward ? i : chunks - 1 - i);
  }

 private:
  // A share's ticket holds the region's serial number, the share's end and the next chunk of it, so that one fetch_add
  // claims a chunk of exactly the region whose end it is compared with, however late the claiming thread comes.
  static constexpr int kBits = 20;
  static constexpr std::uint64_t kMask = (std::uint64_t{1} << kBits) - 1;
  static constexpr int kMaxChunks = (1 << kBits) - 4096;  // each thread overshoots by at most one
  struct alignas(64) Share {                              // a cache line each: threads write them all the time
    std::atomic<std::uint64_t> ticket{0};
  };

  // The first chunk of a thread's share.
  int Begin(int share) const {
    return static_cast<int>(static_cast<std::int64_t>(chunks_) * share / static_cast<std::int64_t>(shares_.size()));
  }

  void RunShared(int chunks, FunctionRef<void(int)> body, Direction direction) {
    body_ = &body;
    chunks_ = chunks;
    direction_ = direction;
    remaining_.store(chunks, std::memory_order_relaxed);
    const std::uint64_t serial = ++serial_ << (2 * kBits);
    for (int i = 0; i < count(); ++i) {
      const auto begin = static_cast<std::uint64_t>(Begin(i)), end = static_cast<std::uint64_t>(Begin(i + 1));
      shares_[i].ticket.store(serial | (end << kBits) | begin, std::memory_order_release);
    }
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) epoch_.notify_all();
    Work(0);
    WaitForOthers();
    if (failed_.exchange(false)) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  void WaitForOthers() {
    if (!SpinUntil([this] { return remaining_.load(std::memory_order_acquire) == 0; })) {
      for (int left = remaining_.load(std::memory_order_acquire); left != 0;
           left = remaining_.load(std::memory_order_acquire)) {
        remaining_.wait(left, std::memory_order_acquire);
      }
    }
  }

  // Its own share first, then what others have not begun.
  void Work(int own) {
    const int shares = count();
    insideRegion = true;
    for (int i = 0; i < shares; ++i) WorkOn((own + i) % shares);
    insideRegion = false;
  }

  void WorkOn(int share) {
    for (;;) {
      const std::uint64_t claim = shares_[share].ticket.fetch_add(1, std::memory_order_acq_rel);
      const auto next = static_cast<int>(claim & kMask), end = static_cast<int>((claim >> kBits) & kMask);
      if (next >= end) return;
      // From here on the region cannot end, nor what describes it change, before this chunk is counted.
      try {
        (*body_)(direction_ == Direction::kForward ? next : Begin(share) + end - 1 - next);
      } catch (...) {
        if (!failed_.exchange(true)) failure_ = std::current_exception();
      }
      if (remaining_.fetch_sub(1, std::memory_order_acq_rel) == 1) remaining_.notify_all();
    }
  }

  void WorkerLoop(int index, int seen) {
    const FlushDenormals flush;
    for (;;) {
      if (!SpinUntil([&] { return epoch_.load(std::memory_order_acquire) != seen; })) {
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        epoch_.wait(seen, std::memory_order_seq_cst);
        sleepers_.fetch_sub(1, std::memory_order_relaxed);
      }
      seen = epoch_.load(std::memory_order_acquire);
      if (stop_.load(std::memory_order_acquire)) return;
      Work(index);
    }
  }

  void Start(int threads) {
    stop_.store(false, std::memory_order_relaxed);
    const int seen = epoch_.load(std::memory_order_relaxed);
    shares_ = std::vector<Share>(threads);
    count_.store(threads, std::memory_order_relaxed);
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i, seen] { WorkerLoop(i, seen); });
  }

  void Stop() {
    stop_.store(true, std::memory_order_release);
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    epoch_.notify_all();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
  }

  std::mutex mutex_;  // held by the one running region, or by Resize
  std::vector<std::thread> workers_;
  std::atomic<int> count_{1};
  std::atomic<bool> stop_{false};
  std::uint64_t serial_ = 0;
  std::vector<Share> shares_;  // one a thread
  FunctionRef<void(int)>* body_ = nullptr;
  int chunks_ = 0;
  Direction direction_ = Direction::kForward;
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;  // of the thread that set failed_ first
  alignas(64) std::atomic<int> remaining_{0};
  alignas(64) std::atomic<int> epoch_{0};
  std::atomic<int> sleepers_{0};
};

thread_local const std::atomic<bool>* cancelFlag = nullptr;  // of the innermost CancelScope

// Never destroyed: its threads may still run while the process ends.
Pool& ThePool() {
  static Pool& pool = *new Pool;
  return pool;
}

}  // namespace

void SetThreadCount(int threads) { ThePool().Resize(std::max(1, threads)); }
int ThreadCount() { return ThePool().count(); }
void ParallelFor(int chunks, FunctionRef<void(int)> body, Direction direction) {
  const std::atomic<bool>* flag = cancelFlag;
  if (!flag) return ThePool().Run(chunks, body, direction);
  const auto unlessCancelled = [&](int chunk) {
    if (!flag->load(std::memory_order_relaxed)) body(chunk);
  };
  ThePool().Run(chunks, unlessCancelled, direction);
}

CancelScope::CancelScope(const std::atomic<bool>* cancelled) : cancelled_(cancelled), outer_(cancelFlag) {
  cancelFlag = cancelled;
}
CancelScope::~CancelScope() { cancelFlag = outer_; }

int PhysicalCores() {
  static const int cores = [] {
    int logical = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
      std::set<std::string> siblings;  // one text a core: the list of its hardware threads
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
        std::string line;
        if (!std::getline(file, line)) return std::max(1, CPU_COUNT(&allowed));
        siblings.insert(line);
      }
      if (!siblings.empty()) return static_cast<int>(siblings.size());
    }
#endif
    return logical;
  }();
  return cores;
}

}  // namespace lathe
