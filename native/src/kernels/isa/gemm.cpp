#include "kernels/isa/gemm.h"

#include <math.h>  // INFINITY

#include "kernels/isa/vec.h"

namespace lathe::LATHE_ISA {
namespace {

// Steps of k whose packed panel (24 KiB) leaves a quarter of a first-level cache to a's rows, which pass by once.
constexpr int kBlockSteps = 6144 / kGemmPanel;

// Floats of a's rows that stay in the second-level cache (128 KiB) while all panels of b pass by.
constexpr int kBlockFloats = 32768;

constexpr int kMinBlockRows = 8 * kGemmRows;

// What one pass over k does to c: begins from what is there, or from zero; ends with the affine, or without.
struct Ends {
  bool load = false, affine = false;
};

// Consecutive steps of k as they lie in a: `runs` pieces of `length` neighbours, piece r at starts[r] + skip from its
// row.
struct Steps {
  const std::ptrdiff_t* starts;
  int runs, length;
  std::ptrdiff_t skip;
  int count() const { return runs * length; }
};

// One panel's columns of c and its affine.
struct PanelColumns {
  int column;  // the first
  int lanes;   // of its last vector
};

template <int kN>
struct Finish {
  Finish(const Affine& affine, const PanelColumns& columns) {
    for (int j = 0; j < kN; ++j) {
      const int lanes = j + 1 == kN ? columns.lanes : kWidth;
      const int at = columns.column + j * kWidth;
      scale[j] = affine.scale ? LoadPart(affine.scale + at, lanes) : Repeat(1.0f);
      shift[j] = affine.shift ? LoadPart(affine.shift + at, lanes) : Zero();
    }
    // Max with -infinity and min with infinity leave values alone: no branch in the loop.
    low = Repeat(affine.activation == Activation::kNone ? -INFINITY : 0.0f);
    high = Repeat(affine.activation == Activation::kRelu6 ? 6.0f : INFINITY);
  }
  // Two roundings at every level, as the integer kernels make of the same whole numbers. The second operand is what a
  // comparison with not-a-number leaves: it stays one.
  Vec operator()(Vec sum, int j) const { return Min(high, Max(low, sum * scale[j] + shift[j])); }
  Vec scale[kN], shift[kN], low, high;
};

template <int kM, int kN>
inline void LoadTile(Vec (&sums)[kM][kN], float* const (&c)[kM], bool load, int lanes) {
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kN; ++j) sums[i][j] = Zero();
  }
  if (!load) return;
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kN; ++j) {
      const float* from = c[i] + j * kWidth;
      sums[i][j] = j + 1 == kN && lanes < kWidth ? LoadPart(from, lanes) : Load(from);
    }
  }
}

template <int kM, int kN>
inline void StoreTile(const Vec (&sums)[kM][kN], float* const (&c)[kM], int lanes) {
  if (lanes == kWidth) {
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < kN; ++j) Store(c[i] + j * kWidth, sums[i][j]);
    }
    return;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j + 1 < kN; ++j) Store(c[i] + j * kWidth, sums[i][j]);
    StorePart(c[i] + (kN - 1) * kWidth, sums[i][kN - 1], lanes);
  }
}

template <int kM, int kN>
inline void EndTile(Vec (&sums)[kM][kN], const GemmArgs& args, float* const (&c)[kM], const PanelColumns& columns,
                    bool affine) {
  if (affine) {
    const Finish<kN> finish(args.affine, columns);
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < kN; ++j) sums[i][j] = finish(sums[i][j], j);
    }
  }
  StoreTile<kM, kN>(sums, c, columns.lanes);
}

template <int kM>
inline void RowsOfC(float* (&c)[kM], const GemmArgs& args, int row, int column) {
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i) c[i] = args.c + (args.cRows ? args.cRows[row + i] : (row + i) * args.ldc) + column;
}

// One register tile: kM rows of a against kN vectors of one panel.
template <int kM, int kN>
void Tile(const GemmArgs& args, int row, const Steps& steps, const float* b, std::ptrdiff_t bRow,
          const PanelColumns& columns, Ends ends) {
  float* c[kM];
  RowsOfC<kM>(c, args, row, columns.column);
  Vec sums[kM][kN];
  LoadTile<kM, kN>(sums, c, ends.load, columns.lanes);
  for (int run = 0; run < steps.runs; ++run) {
    const float* a[kM];
    const float* first = args.a + steps.starts[run] + steps.skip;
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) a[i] = first + (args.aRows ? args.aRows[row + i] : (row + i) * args.lda);
    const int length = steps.length;
    for (std::ptrdiff_t p = 0; p < length; ++p) {
      Vec bv[kN];
#pragma GCC unroll 2
      for (int j = 0; j < kN; ++j) bv[j] = Load(b + j * kWidth);
#pragma GCC unroll 16
      for (int i = 0; i < kM; ++i) {
        const Vec element = Repeat(a[i][p]);
#pragma GCC unroll 2
        for (int j = 0; j < kN; ++j) sums[i][j] = MulAdd(element, bv[j], sums[i][j]);
      }
      b += bRow;
    }
  }
  EndTile<kM, kN>(sums, args, c, columns, ends.affine);
}

// Rows [row, end) of one panel; leftovers go through smaller tiles, which sum in the same order.
template <int kN, typename RunTile>
void Rows(int row, int end, RunTile tile) {
  for (; row + kGemmRows <= end; row += kGemmRows) tile.template operator()<kGemmRows>(row);
  if constexpr (kGemmRows > 8) {
    if (row + 8 <= end) {
      tile.template operator()<8>(row);
      row += 8;
    }
  }
  if (row + 4 <= end) {
    tile.template operator()<4>(row);
    row += 4;
  }
  if (row + 2 <= end) {
    tile.template operator()<2>(row);
    row += 2;
  }
  if (row < end) tile.template operator()<1>(row);
}

// Calls body(steps, first step) for blocks of k that together cover it once, in order.
template <typename Body>
void ForSteps(const GemmArgs& args, Body body) {
  static constexpr std::ptrdiff_t kOneRun[1] = {0};
  const std::ptrdiff_t* starts = args.aRuns ? args.aRuns : kOneRun;
  const int runs = args.aRuns ? args.runs : 1, length = args.k / runs;
  if (length <= kBlockSteps) {
    const int most = kBlockSteps / length;
    for (int run = 0; run < runs; run += most) {
      const int some = runs - run < most ? runs - run : most;
      body(Steps{starts + run, some, length, 0}, run * length);
    }
    return;
  }
  const int parts = (length + kBlockSteps - 1) / kBlockSteps;
  for (int run = 0; run < runs; ++run) {
    for (int part = 0; part < parts; ++part) {
      const int begin = static_cast<int>(static_cast<std::int64_t>(length) * part / parts);
      const int end = static_cast<int>(static_cast<std::int64_t>(length) * (part + 1) / parts);
      body(Steps{starts + run, 1, end - begin, begin}, run * length + begin);
    }
  }
}

template <int kN>
void RowPanel(const GemmArgs& args, int begin, int end, const PanelColumns& columns) {
  const bool packed = args.ldb == 0;
  const std::ptrdiff_t bRow = packed ? kGemmPanel : args.ldb;
  const float* b = packed ? args.b + static_cast<std::ptrdiff_t>(columns.column) * args.k : args.b + columns.column;
  ForSteps(args, [&](const Steps& steps, int first) {
    Ends ends;
    ends.load = first > 0 || args.epilogue == Epilogue::kAccumulate;
    ends.affine = first + steps.count() == args.k && args.epilogue == Epilogue::kAffine;
    Rows<kN>(begin, end,
             [&]<int kM>(int row) { Tile<kM, kN>(args, row, steps, b + first * bRow, bRow, columns, ends); });
  });
}

// Calls body(Number of vectors, columns) for each panel of c.
template <typename Body>
inline void ForPanels(int n, Body body) {
  for (int column = 0; column < n; column += kGemmPanel) {
    const int columns = n - column;
    if (columns > kWidth) {
      body.template operator()<2>(PanelColumns{column, columns < kGemmPanel ? columns - kWidth : kWidth});
    } else {
      body.template operator()<1>(PanelColumns{column, columns});
    }
  }
}

void GemmRowsOfA(const GemmArgs& args) {
  int block = kBlockFloats / args.k / kGemmRows * kGemmRows;
  if (block < kMinBlockRows) block = kMinBlockRows;
  for (int begin = 0; begin < args.m; begin += block) {
    const int end = args.m - begin < block ? args.m : begin + block;
    ForPanels(args.n, [&]<int kN>(const PanelColumns& columns) { RowPanel<kN>(args, begin, end, columns); });
  }
}

// Of a product with a transposed: the panel's columns of b, a row a step of k.
struct StepRows {
  const float* b;
  std::ptrdiff_t bRow;
};

// a is (k, m), as a weight's gradient has it: the kM elements of a step are neighbours.
template <int kM, int kN>
void TransposedTile(const GemmArgs& args, int row, const StepRows& from, const PanelColumns& columns) {
  float* c[kM];
  RowsOfC<kM>(c, args, row, columns.column);
  Vec sums[kM][kN];
  LoadTile<kM, kN>(sums, c, args.epilogue == Epilogue::kAccumulate, columns.lanes);
  const float* a = args.a + row;
  const float* b = from.b;
  for (int p = 0; p < args.k; ++p) {
    Vec bv[kN];
#pragma GCC unroll 2
    for (int j = 0; j < kN; ++j) bv[j] = Load(b + j * kWidth);
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
      const Vec element = Repeat(a[i]);
#pragma GCC unroll 2
      for (int j = 0; j < kN; ++j) sums[i][j] = MulAdd(element, bv[j], sums[i][j]);
    }
    a += args.lda;
    b += from.bRow;
  }
  EndTile<kM, kN>(sums, args, c, columns, args.epilogue == Epilogue::kAffine);
}

void GemmTransposed(const GemmArgs& all) {
  // A panel of b is copied together, where enough rows of c share the work: its rows would fall into few sets of the
  // first-level cache if they lay a power of two apart.
  alignas(64) float packed[kTransposedSteps * kGemmPanel];
  for (int first = 0; first < all.k; first += kTransposedSteps) {
    GemmArgs args = all;
    args.k = all.k - first < kTransposedSteps ? all.k - first : kTransposedSteps;
    args.a += first * all.lda;
    if (first > 0) args.epilogue = Epilogue::kAccumulate;
    ForPanels(args.n, [&]<int kN>(const PanelColumns& columns) {
      StepRows from{args.b + columns.column, args.ldb};
      if (args.bRows || args.m > 2 * kGemmRows) {
        const int width = kN == 2 ? kWidth + columns.lanes : columns.lanes;
        for (int p = 0; p < args.k; ++p) {
          const float* row = from.b + (args.bRows ? args.bRows[first + p] : (first + p) * args.ldb);
          float* to = packed + p * kGemmPanel;
          if (width == kN * kWidth) {
#pragma GCC unroll 2
            for (int j = 0; j < kN; ++j) Store(to + j * kWidth, Load(row + j * kWidth));
          } else {
            if constexpr (kN == 2) Store(to, Load(row));
            Store(to + (kN - 1) * kWidth, LoadPart(row + (kN - 1) * kWidth, columns.lanes));
          }
        }
        from = {packed, kGemmPanel};
      } else {
        from.b += first * args.ldb;
      }
      Rows<kN>(0, args.m, [&]<int kM>(int row) { TransposedTile<kM, kN>(args, row, from, columns); });
    });
  }
}

}  // namespace

void Gemm(const GemmArgs& args) {
  if (args.m <= 0 || args.n <= 0 || args.k <= 0) return;
  args.transposedA ? GemmTransposed(args) : GemmRowsOfA(args);
}

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
