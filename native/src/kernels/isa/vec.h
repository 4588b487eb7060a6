// One vector type for all instruction sets: as wide as the flags of this compilation allow. Included by the files of
// kernels/isa alone, each of which is compiled once a level with LATHE_ISA as its namespace. Everything here has
// internal linkage: code of one level must never be the linker's pick for another.
#pragma once

#include <cstddef>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace lathe::LATHE_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kWidth = 16;
#elif defined(__AVX2__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif

// GCC's and Clang's vector extension: + - * work lane by lane, a scalar operand is repeated.
typedef float Vec __attribute__((vector_size(kWidth * sizeof(float))));
typedef float UnalignedVec __attribute__((vector_size(kWidth * sizeof(float)), aligned(alignof(float)), may_alias));

inline Vec Load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
inline void Store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
// Stores past the caches, where there is such a store; p is aligned to a whole vector. FenceStreams before others may
// read.
inline void Stream(float* p, Vec v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
  _mm256_stream_ps(p, (__m256)v);
#elif defined(__SSE2__)
  _mm_stream_ps(p, (__m128)v);
#else
  Store(p, v);
#endif
}
inline void FenceStreams() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}
inline Vec Zero() { return Vec{}; }
inline Vec Repeat(float x) { return x - Vec{}; }  // x - 0 is x, also for -0: the compiler drops it (x + 0 it must keep)

#if defined(__AVX2__) && !defined(__AVX512F__)
inline __m256i FirstLanes(int lanes) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

// The first `lanes` floats, zeros behind them; touches no byte of the others.
inline Vec LoadPart(const float* p, int lanes) {
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_loadu_ps((__mmask16)((1u << lanes) - 1), p);
#elif defined(__AVX2__)
  return (Vec)_mm256_maskload_ps(p, FirstLanes(lanes));
#else
  alignas(sizeof(Vec)) float buffer[kWidth] = {};
  std::memcpy(buffer, p, static_cast<std::size_t>(lanes) * sizeof(float));
  return *reinterpret_cast<const Vec*>(buffer);
#endif
}
inline void StorePart(float* p, Vec v, int lanes) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << lanes) - 1), (__m512)v);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(p, FirstLanes(lanes), (__m256)v);
#else
  alignas(sizeof(Vec)) float buffer[kWidth];
  *reinterpret_cast<Vec*>(buffer) = v;
  std::memcpy(p, buffer, static_cast<std::size_t>(lanes) * sizeof(float));
#endif
}

// a * b + c. Written out, never left to the compiler's contraction: every tile shape must round alike, or results would
// depend on how the work was cut. Fused where the instruction set has it; two roundings everywhere else.
inline Vec MulAdd(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

inline Vec Min(Vec a, Vec b) {
#if defined(__AVX512F__)
  return (Vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Vec)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (Vec)_mm_min_ps((__m128)a, (__m128)b);
#else
  return a < b ? a : b;
#endif
}
inline Vec Max(Vec a, Vec b) {
#if defined(__AVX512F__)
  return (Vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Vec)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (Vec)_mm_max_ps((__m128)a, (__m128)b);
#else
  return a > b ? a : b;
#endif
}
inline Vec Sqrt(Vec a) {
#if defined(__AVX512F__)
  return (Vec)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
  return (Vec)_mm256_sqrt_ps((__m256)a);
#elif defined(__SSE2__)
  return (Vec)_mm_sqrt_ps((__m128)a);
#else
  for (int i = 0; i < kWidth; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
#endif
}

// To the nearest integer, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no bits behind the point, and the
// addition itself rounds as IEEE 754 demands.
inline Vec RoundToEven(Vec x) {
  const float magic = 12582912.0f;
  return (x + magic) - magic;
}

}  // namespace
}  // namespace lathe::LATHE_ISA
