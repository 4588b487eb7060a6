// Flush-to-zero for the current thread: denormal operands cost a hundred cycles each and slow pruned networks tenfold.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
#endif

namespace lathe {

// Sets flush-to-zero and denormals-are-zero for its lifetime and then restores what was there.
class FlushDenormals {
 public:
  FlushDenormals() : saved_(Read()) {
#if defined(__x86_64__) || defined(__i386__)
    Write(saved_ | 0x8040u);  // MXCSR: bit 15 flush to zero, bit 6 denormals are zero
#elif defined(__aarch64__)
    Write(saved_ | (std::uint64_t{1} << 24));  // FPCR.FZ
#endif
  }
  ~FlushDenormals() { Write(saved_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__x86_64__) || defined(__i386__)
  using Register = unsigned;
  static Register Read() { return _mm_getcsr(); }
  static void Write(Register value) { _mm_setcsr(value); }
#elif defined(__aarch64__)
  using Register = std::uint64_t;
  static Register Read() {
    Register value;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void Write(Register value) { asm volatile("msr fpcr, %0" ::"r"(value)); }
#else
  using Register = unsigned;
  static Register Read() { return 0; }
  static void Write(Register) {}
#endif
  Register saved_;
};

}  // namespace lathe
