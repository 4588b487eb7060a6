#include "kernels/isa/gemm.h"

#include "kernels/isa/vec.h"

namespace lathe::LATHE_ISA {
namespace {

template <bool kAffine>
inline Vec Finish(Vec sum, Vec scale, Vec shift, Activation activation) {
  if constexpr (kAffine) {
    sum = MulAdd(sum, scale, shift);
    if (activation != Activation::kNone) sum = Max(Zero(), sum);
    if (activation == Activation::kRelu6) sum = Min(Repeat(6.0f), sum);
  }
  return sum;
}

// c is (kM, columns), columns <= kN vectors.
template <int kM, int kN>
inline void StoreTile(const Vec (&acc)[kM][kN], const GemmArgs& args, float* c, int column) {
  const int columns = args.n - column;
  const bool whole = columns >= kN * kWidth;
  Vec scale[kN], shift[kN];
  const bool affine = args.epilogue == Epilogue::kAffine;
  for (int j = 0; j < kN; ++j) {
    scale[j] = Repeat(1.0f);
    shift[j] = Zero();
    if (!affine) continue;
    const int lanes = columns - j * kWidth < kWidth ? columns - j * kWidth : kWidth;
    if (args.affine.scale) scale[j] = LoadPart(args.affine.scale + column + j * kWidth, lanes);
    if (args.affine.shift) shift[j] = LoadPart(args.affine.shift + column + j * kWidth, lanes);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
    float* row = c + i * args.ldc;
#pragma GCC unroll 2
    for (int j = 0; j < kN; ++j) {
      Vec value = acc[i][j];
      float* p = row + j * kWidth;
      const int lanes = columns - j * kWidth;
      const bool full = whole || lanes >= kWidth;
      if (affine) value = Finish<true>(value, scale[j], shift[j], args.affine.activation);
      if (full) {
        if (args.epilogue == Epilogue::kAccumulate) value += Load(p);
        Store(p, value);
      } else {
        if (args.epilogue == Epilogue::kAccumulate) value += LoadPart(p, lanes);
        StorePart(p, value, lanes);
      }
    }
  }
}

// One register tile: kM rows of a against kN vectors of one panel.
template <int kM, int kN, bool kTransposedA>
void Tile(const GemmArgs& args, const float* a, const float* b, std::ptrdiff_t bRow, float* c, int column) {
  Vec acc[kM][kN];
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kN; ++j) acc[i][j] = Zero();
  }
  const std::ptrdiff_t lda = args.lda;
  for (int p = 0; p < args.k; ++p) {
    Vec bv[kN];
#pragma GCC unroll 2
    for (int j = 0; j < kN; ++j) bv[j] = Load(b + j * kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
      const Vec element = Repeat(kTransposedA ? a[i] : a[i * lda]);
#pragma GCC unroll 2
      for (int j = 0; j < kN; ++j) acc[i][j] = MulAdd(element, bv[j], acc[i][j]);
    }
    b += bRow;
    a += kTransposedA ? lda : 1;
  }
  StoreTile<kM, kN>(acc, args, c, column);
}

// All rows of one panel; leftovers go through smaller tiles, which sum in the same order.
template <int kN, bool kTransposedA>
void Panel(const GemmArgs& args, const float* b, std::ptrdiff_t bRow, int column) {
  const std::ptrdiff_t aStep = kTransposedA ? 1 : args.lda;
  const float* a = args.a;
  float* c = args.c + column;
  int i = 0;
  const auto advance = [&](int rows) {
    i += rows;
    a += rows * aStep;
    c += rows * args.ldc;
  };
  for (; i + kGemmRows <= args.m; advance(kGemmRows)) Tile<kGemmRows, kN, kTransposedA>(args, a, b, bRow, c, column);
  if constexpr (kGemmRows > 8) {
    if (i + 8 <= args.m) {
      Tile<8, kN, kTransposedA>(args, a, b, bRow, c, column);
      advance(8);
    }
  }
  if (i + 4 <= args.m) {
    Tile<4, kN, kTransposedA>(args, a, b, bRow, c, column);
    advance(4);
  }
  if (i + 2 <= args.m) {
    Tile<2, kN, kTransposedA>(args, a, b, bRow, c, column);
    advance(2);
  }
  if (i < args.m) Tile<1, kN, kTransposedA>(args, a, b, bRow, c, column);
}

template <bool kTransposedA>
void Panels(const GemmArgs& args) {
  const bool packed = args.ldb == 0;
  for (int column = 0; column < args.n; column += kGemmPanel) {
    const float* b = packed ? args.b + static_cast<std::ptrdiff_t>(column) * args.k : args.b + column;
    const std::ptrdiff_t bRow = packed ? kGemmPanel : args.ldb;
    if (args.n - column > kWidth) {
      Panel<2, kTransposedA>(args, b, bRow, column);
    } else {
      Panel<1, kTransposedA>(args, b, bRow, column);
    }
  }
}

}  // namespace

void Gemm(const GemmArgs& args) { args.transposedA ? Panels<true>(args) : Panels<false>(args); }

void PackRows(const float* source, std::ptrdiff_t ld, int k, int n, float* packed) {
  for (int column = 0; column < n; column += kGemmPanel) {
    const int columns = n - column < kGemmPanel ? n - column : kGemmPanel;
    for (int p = 0; p < k; ++p, packed += kGemmPanel) {
      const float* row = source + p * ld + column;
      for (int j = 0; j < columns; ++j) packed[j] = row[j];
      for (int j = columns; j < kGemmPanel; ++j) packed[j] = 0;
    }
  }
}

void PackColumns(const float* source, std::ptrdiff_t ld, int k, int n, float* packed) {
  for (int column = 0; column < n; column += kGemmPanel) {
    const int columns = n - column < kGemmPanel ? n - column : kGemmPanel;
    for (int p = 0; p < k; ++p, packed += kGemmPanel) {
      const float* from = source + column * ld + p;
      for (int j = 0; j < columns; ++j) packed[j] = from[j * ld];
      for (int j = columns; j < kGemmPanel; ++j) packed[j] = 0;
    }
  }
}

}  // namespace lathe::LATHE_ISA
