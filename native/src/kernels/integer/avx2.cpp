// Integer kernels for AVX2. Its byte product VPMADDUBSW saturates sums of two at 16 bits (255 * 127 * 2 does not fit),
// so bytes are widened to 16 bits and VPMADDWD multiplies: a pair of products is at most 2 * 255 * 127, exact in 32
// bits. Compiled with AVX2 alone; includes nothing with inline functions that other files could be linked against.
#include "kernels/integer/tile.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace lathe {
namespace {

struct MultiplyAddWords {
  // 6 x 2 sums, two vectors of weights, a repeated pair and a product: 16 registers.
  static constexpr int kWidth = 8, kGroup = 2, kRows = 6;
  using Sum = __m256i;
  using Codes = __m256i;
  using Element = std::int16_t;
  static Sum Zero() { return _mm256_setzero_si256(); }
  static Codes LoadWeights(const std::int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Codes Repeat(const Element* p) {
    int pair;
    __builtin_memcpy(&pair, p, sizeof pair);
    return _mm256_set1_epi32(pair);
  }
  static Sum Add(Sum sum, Codes a, Codes b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
  static void Store(std::int32_t* p, Sum sum) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), sum); }
};

inline __m128i LoadBytes(const std::uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline __m256i Widen(__m128i bytes, bool isSigned) {
  return isSigned ? _mm256_cvtepi8_epi16(bytes) : _mm256_cvtepu8_epi16(bytes);
}
inline std::int16_t WidenOne(std::uint8_t byte, bool isSigned) {
  return isSigned ? static_cast<std::int8_t>(byte) : static_cast<std::int16_t>(byte);
}

void Prepare(const std::uint8_t* codes, bool isSigned, int k, void* out) {
  auto* words = static_cast<std::int16_t*>(out);
  int i = 0;
  for (; i + 16 <= k; i += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + i), Widen(LoadBytes(codes + i), isSigned));
  }
  for (; i < k; ++i) words[i] = WidenOne(codes[i], isSigned);
  if (k % 2 != 0) words[k] = 0;
}

// 16 channels of one output pixel from channel c on. Two taps side by side are one multiply-add of words.
template <bool kSigned>
inline void DepthwiseBlock(const IntegerDepthwiseArgs& args, const std::uint8_t* x, int c, std::int32_t* y) {
  __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
  const auto load = [&](int tap) { return Widen(LoadBytes(x + args.tapOffsets[tap] + c), kSigned); };
  const std::int16_t* weight = args.weight + static_cast<std::ptrdiff_t>(c) * 2;
  for (int tap = 0; tap < args.taps; tap += 2, weight += static_cast<std::ptrdiff_t>(args.channels) * 2) {
    const __m256i first = load(tap), second = tap + 1 < args.taps ? load(tap + 1) : _mm256_setzero_si256();
    const __m256i w0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weight));       // channels 0..7
    const __m256i w1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weight + 16));  // channels 8..15
    // Interleaving works within 128-bit halves: channels 0..3, 8..11 and 4..7, 12..15.
    const __m256i a = _mm256_unpacklo_epi16(first, second), b = _mm256_unpackhi_epi16(first, second);
    low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_permute2x128_si256(a, b, 0x20), w0));
    high = _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_permute2x128_si256(a, b, 0x31), w1));
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + c), low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + c + 8), high);
}

inline void DepthwiseChannel(const IntegerDepthwiseArgs& args, const std::uint8_t* x, int c, std::int32_t* y) {
  std::int32_t sum = 0;
  for (int tap = 0; tap < args.taps; ++tap) {
    const std::int16_t weight = args.weight[(static_cast<std::ptrdiff_t>(tap / 2) * args.channels + c) * 2 + tap % 2];
    sum += WidenOne(x[args.tapOffsets[tap] + c], args.isSigned) * weight;
  }
  y[c] = sum;
}

template <bool kSigned>
void DepthwisePixels(const IntegerDepthwiseArgs& args) {
  for (int row = 0; row < args.outRows; ++row) {
    for (int pixel = 0; pixel < args.outWidth; ++pixel) {
      const std::ptrdiff_t from =
          static_cast<std::ptrdiff_t>(row) * args.strideHeight * args.inWidth + pixel * args.strideWidth;
      const std::uint8_t* x = args.x + from * args.channels;
      std::int32_t* y = args.y + (static_cast<std::ptrdiff_t>(row) * args.outWidth + pixel) * args.channels;
      int c = 0;
      for (; c + 16 <= args.channels; c += 16) DepthwiseBlock<kSigned>(args, x, c, y);
      for (; c < args.channels; ++c) DepthwiseChannel(args, x, c, y);
    }
  }
}

void Depthwise(const IntegerDepthwiseArgs& args) {
  args.isSigned ? DepthwisePixels<true>(args) : DepthwisePixels<false>(args);
}

struct Coder {
  explicit Coder(const CodeArgs& code)
      : scale(_mm256_set1_ps(code.scale)),
        low(_mm256_set1_ps(code.low)),
        high(_mm256_set1_ps(code.high)),
        sign(code.sign) {}

  // Eight codes as 32-bit integers. Clamped before rounding, so they fit into a byte.
  __m256i operator()(__m256 x) const {
    if (sign) {
      const __m256i negative = _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NGE_UQ));
      return _mm256_or_si256(negative, _mm256_set1_epi32(1));  // all ones is -1
    }
    // A true division, as in the definition.
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(_mm256_div_ps(x, scale), low), high));
  }

  __m256 scale, low, high;
  bool sign;
};

// The lowest bytes of eight integers that are -128..255.
inline void StoreBytes(std::uint8_t* to, __m256i codes) {
  const __m256i lowest =
      _mm256_shuffle_epi8(codes, _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8,
                                                  12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  const int first = _mm256_extract_epi32(lowest, 0), second = _mm256_extract_epi32(lowest, 4);
  __builtin_memcpy(to, &first, 4);
  __builtin_memcpy(to + 4, &second, 4);
}

inline std::uint8_t CodeOne(const Coder& coder, float x) {
  return static_cast<std::uint8_t>(_mm_cvtsi128_si32(_mm256_castsi256_si128(coder(_mm256_set1_ps(x)))));
}

// Calls put(place, eight values) and putOne(place, value) for all results.
template <typename Put, typename PutOne>
void ForResults(const RequantizeArgs& args, Put put, PutOne putOne) {
  const __m256 least = _mm256_set1_ps(args.least), most = _mm256_set1_ps(args.most);
  const auto value = [&](__m256i acc, __m256 scale, __m256 shift) {
    const __m256 y = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(acc), scale), shift);
    return _mm256_min_ps(_mm256_max_ps(y, least), most);
  };
  const int channels = args.channels;
  const std::int32_t* acc = args.acc;
  const float *scale = args.scale, *shift = args.shift;
  std::ptrdiff_t at = 0;
  for (int row = 0; row < args.rows; ++row, at += channels) {
    int c = 0;
    for (; c + 8 <= channels; c += 8) {
      const __m256i sums = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(acc + at + c));
      put(at + c, value(sums, _mm256_loadu_ps(scale + c), _mm256_loadu_ps(shift + c)));
    }
    for (; c < channels; ++c) {
      putOne(at + c, _mm256_cvtss_f32(
                         value(_mm256_set1_epi32(acc[at + c]), _mm256_set1_ps(scale[c]), _mm256_set1_ps(shift[c]))));
    }
  }
}

void Requantize(const RequantizeArgs& args) {
  if (float* values = args.values) {
    ForResults(
        args, [&](std::ptrdiff_t at, __m256 y) { _mm256_storeu_ps(values + at, y); },
        [&](std::ptrdiff_t at, float y) { values[at] = y; });
    return;
  }
  const Coder coder(args.code);
  std::uint8_t* codes = args.codes;
  ForResults(
      args, [&](std::ptrdiff_t at, __m256 y) { StoreBytes(codes + at, coder(y)); },
      [&](std::ptrdiff_t at, float y) { codes[at] = CodeOne(coder, y); });
}

void Encode(const float* x, std::size_t count, const CodeArgs& code, std::uint8_t* codes) {
  const Coder coder(code);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) StoreBytes(codes + i, coder(_mm256_loadu_ps(x + i)));
  for (; i < count; ++i) codes[i] = CodeOne(coder, x[i]);
}

}  // namespace

extern const IntegerKernels kAvx2IntegerKernels;
const IntegerKernels kAvx2IntegerKernels = {
    .name = "avx2",
    .rows = MultiplyAddWords::kRows,
    .panel = kPanelVectors * MultiplyAddWords::kWidth,
    .group = MultiplyAddWords::kGroup,
    .elementBytes = 2,
    .offset = 0,
    .prepare = Prepare,
    .gemm = IntegerProduct<MultiplyAddWords>,
    .depthwise = Depthwise,
    .requantize = Requantize,
    .encode = Encode,
};

}  // namespace lathe
#endif
