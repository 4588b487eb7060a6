// The blocked integer product, written once over a `Dot` that names an instruction set's types and its one product:
//   Dot::kWidth     32-bit sums in a vector;  Dot::kGroup  neighbouring k that one product sums;  Dot::kRows
//   Dot::Sum        a vector of kWidth sums;  Dot::Codes  kWidth groups of codes;  Dot::Element  a prepared activation
//   Zero(), LoadWeights(const int8_t*), Repeat(const Element*), Add(sum, codes, weights), Store(int32_t*, sum)
// Included by files that are compiled for one instruction set each, so everything here has internal linkage.
#pragma once

#include "kernels/integer/integer.h"

namespace lathe {
namespace {

constexpr int kPanelVectors = 2;

template <typename Dot, int kM>
void IntegerTile(const IntegerGemmArgs& args, int row, int column, const std::int8_t* b) {
  constexpr int kPanel = kPanelVectors * Dot::kWidth;
  const int groups = (args.k + Dot::kGroup - 1) / Dot::kGroup;
  const std::ptrdiff_t aRow = static_cast<std::ptrdiff_t>(groups) * Dot::kGroup;
  const auto* a = static_cast<const typename Dot::Element*>(args.a) + row * aRow;
  typename Dot::Sum sums[kM][kPanelVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kPanelVectors; ++j) sums[i][j] = Dot::Zero();
  }
  for (int p = 0; p < groups; ++p, a += Dot::kGroup, b += kPanel * Dot::kGroup) {
    typename Dot::Codes weights[kPanelVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kPanelVectors; ++j) weights[j] = Dot::LoadWeights(b + j * Dot::kWidth * Dot::kGroup);
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
      const typename Dot::Codes codes = Dot::Repeat(a + i * aRow);
#pragma GCC unroll 2
      for (int j = 0; j < kPanelVectors; ++j) sums[i][j] = Dot::Add(sums[i][j], codes, weights[j]);
    }
  }
  const int columns = args.n - column < kPanel ? args.n - column : kPanel;
  const bool direct = columns == kPanel && !args.fix;
  std::int32_t out[kM][kPanel];
  // Unrolled, so that no sum is ever indexed by a variable: the array must not live in memory while it is added to.
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
    std::int32_t* to = direct ? args.c + (row + i) * args.ldc + column : out[i];
#pragma GCC unroll 2
    for (int j = 0; j < kPanelVectors; ++j) Dot::Store(to + j * Dot::kWidth, sums[i][j]);
  }
  for (int i = 0; i < kM && !direct; ++i) {
    std::int32_t* c = args.c + (row + i) * args.ldc + column;
    for (int j = 0; j < columns; ++j) c[j] = out[i][j] + (args.fix ? args.fix[column + j] : 0);
  }
}

template <typename Dot>
void IntegerProduct(const IntegerGemmArgs& args) {
  constexpr int kPanel = kPanelVectors * Dot::kWidth;
  const int depth = (args.k + Dot::kGroup - 1) / Dot::kGroup * Dot::kGroup;
  const std::int8_t* b = args.b;
  for (int column = 0; column < args.n; column += kPanel, b += static_cast<std::ptrdiff_t>(kPanel) * depth) {
    int row = 0;
    for (; row + Dot::kRows <= args.m; row += Dot::kRows) IntegerTile<Dot, Dot::kRows>(args, row, column, b);
    for (; row + 2 <= args.m; row += 2) IntegerTile<Dot, 2>(args, row, column, b);
    if (row < args.m) IntegerTile<Dot, 1>(args, row, column, b);
  }
}

// Activations as bytes without a sign: signed codes move up by 128.
[[maybe_unused]] void PrepareOffsetBytes(const std::uint8_t* codes, bool isSigned, int k, int group,
                                         std::uint8_t* out) {
  const std::uint8_t flip = isSigned ? 0x80 : 0;
  for (int i = 0; i < k; ++i) out[i] = static_cast<std::uint8_t>(codes[i] ^ flip);
  for (int i = k; i % group != 0; ++i) out[i] = 0;
}

}  // namespace
}  // namespace lathe
