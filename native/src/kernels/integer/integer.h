// Kernels of the integer path: 8-bit codes times 8-bit codes into 32-bit sums, exactly, and back to codes. One table
// for each instruction set, chosen like the float ones; the scalar table is the slow twin of the others. All of them
// give the same bits: sums of integers have no order, and the float steps round in the same places everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/simd.h"

namespace lathe {

// What an operand of a product may hold: codes lie in bytes, activations as uint8 (0..255) or int8 (-127..127), weights
// as int8.
inline constexpr int kLargestUnsignedCode = 255;
inline constexpr int kLargestSignedCode = 127;

// c = a b, all of it replaced.
struct IntegerGemmArgs {
  int m = 0, n = 0, k = 0;
  const void* a = nullptr;            // (m, aRow elements) as `prepare` wrote them
  const std::int8_t* b = nullptr;     // packed: IntegerPackedSize bytes, see PackIntegerWeights
  const std::int32_t* fix = nullptr;  // (n) added to every row: what `prepare`'s offset costs; null where it has none
  std::int32_t* c = nullptr;          // (m, n), rows ldc apart
  std::ptrdiff_t ldc = 0;
};

// A depthwise tile: x is a padded tile of codes (inRows, inWidth, channels).
struct IntegerDepthwiseArgs {
  int outRows = 0, outWidth = 0, inWidth = 0, channels = 0;
  int strideHeight = 1, strideWidth = 1;
  int taps = 0;
  const std::ptrdiff_t* tapOffsets = nullptr;  // (taps): codes from an output pixel's first tap to each
  bool isSigned = false;
  const std::uint8_t* x = nullptr;
  const std::int16_t* weight =
      nullptr;                // (ceil(taps / 2), channels, 2): neighbouring taps side by side, 0 for the odd one
  std::int32_t* y = nullptr;  // (outRows, outWidth, channels)
};

// How values become codes: clamp(x / scale, low, high) to the nearest whole number, ties to even; or the sign, +1 for
// 0.
struct CodeArgs {
  float scale = 1, low = 0, high = 255;
  bool sign = false;
};

// y = clamp(float(acc) * scale + shift, least, most), a channel each: two roundings, never fused. Goes to `values` as
// it is, or through `code` to `codes`.
struct RequantizeArgs {
  int rows = 0, channels = 0;
  const std::int32_t* acc = nullptr;  // (rows, channels)
  const float* scale = nullptr;       // (channels)
  const float* shift = nullptr;       // (channels)
  float least = 0, most = 0;          // may be infinite
  float* values = nullptr;            // (rows, channels); null: codes
  std::uint8_t* codes = nullptr;      // (rows, channels)
  CodeArgs code;
};

struct IntegerKernels {
  const char* name;
  int rows;          // of a register tile: divide m by it
  int panel;         // columns of a packed panel
  int group;         // neighbouring k that one instruction sums; k is filled up with zeros to whole groups
  int elementBytes;  // of a prepared activation
  int offset;        // added to signed codes by `prepare`, and taken off again by `fix`

  // Codes of one row (k of them) as this table's gemm reads them, filled up to whole groups.
  void (*prepare)(const std::uint8_t* codes, bool isSigned, int k, void* out);
  void (*gemm)(const IntegerGemmArgs&);
  void (*depthwise)(const IntegerDepthwiseArgs&);
  void (*requantize)(const RequantizeArgs&);
  void (*encode)(const float* x, std::size_t count, const CodeArgs& code, std::uint8_t* codes);
};

const IntegerKernels& ScalarIntegerKernels();
// The best table that runs where the float kernels of `level` do.
const IntegerKernels& IntegerKernelsFor(SimdLevel level);

// k in whole groups.
inline int PaddedDepth(const IntegerKernels& kernels, int k) {
  return (k + kernels.group - 1) / kernels.group * kernels.group;
}
inline std::size_t IntegerPackedSize(const IntegerKernels& kernels, int k, int n) {
  const auto panels = static_cast<std::size_t>((n + kernels.panel - 1) / kernels.panel);
  return panels * static_cast<std::size_t>(kernels.panel) * static_cast<std::size_t>(PaddedDepth(kernels, k));
}
// weights (n, k) to [panel][group of k][column][k in the group], zeros where there is none.
void PackIntegerWeights(const IntegerKernels& kernels, const std::int8_t* weights, int k, int n, std::int8_t* packed);

}  // namespace lathe
