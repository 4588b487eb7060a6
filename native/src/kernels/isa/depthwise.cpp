#include "kernels/isa/depthwise.h"

#include "kernels/isa/columns.h"
#include "kernels/isa/vec.h"

namespace lathe::LATHE_ISA {
namespace {

// One output row of one column of lanes, as `count` vectors: vector q reads x + q * xStep and writes y + q * yStep.
struct RowWalk {
  int count = 0;
  std::ptrdiff_t xStep = 0, yStep = 0;
  std::ptrdiff_t xRow = 0;  // floats between rows of x
  std::ptrdiff_t tap = 0;   // floats between neighbouring pixels of x
  int kernel = 0;
  std::ptrdiff_t weightStep = 0;  // floats between taps of the weights
  int lanes = kWidth;
};

struct Finish {
  Vec scale, shift;
  Activation activation;
  Vec operator()(Vec sum) const {
    sum = MulAdd(sum, scale, shift);
    if (activation != Activation::kNone) sum = Max(Zero(), sum);
    if (activation == Activation::kRelu6) sum = Min(Repeat(6.0f), sum);
    return sum;
  }
};

// 3 x 3, the usual case: the nine weights stay in registers, four pixels at once hide the latency of the sums.
template <bool kWhole>
void Row3(const RowWalk& walk, const float* x, const float* weight, float* y, const Finish& finish) {
  Vec w[9];
#pragma GCC unroll 9
  for (int t = 0; t < 9; ++t) w[t] = LoadLanes<kWhole>(weight + t * walk.weightStep, walk.lanes);
  const float* rows[3] = {x, x + walk.xRow, x + 2 * walk.xRow};
  const auto pixels = [&]<int kPixels>(int q) {
    Vec sum[kPixels];
#pragma GCC unroll 4
    for (int u = 0; u < kPixels; ++u) sum[u] = Zero();
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) {
#pragma GCC unroll 4
        for (int u = 0; u < kPixels; ++u) {
          const Vec x = LoadLanes<kWhole>(rows[i] + (q + u) * walk.xStep + j * walk.tap, walk.lanes);
          sum[u] = MulAdd(x, w[3 * i + j], sum[u]);
        }
      }
    }
#pragma GCC unroll 4
    for (int u = 0; u < kPixels; ++u) StoreLanes<kWhole>(y + (q + u) * walk.yStep, finish(sum[u]), walk.lanes);
  };
  int q = 0;
  for (; q + 4 <= walk.count; q += 4) pixels.template operator()<4>(q);
  for (; q < walk.count; ++q) pixels.template operator()<1>(q);
}

template <bool kWhole>
void RowAny(const RowWalk& walk, const float* x, const float* weight, float* y, const Finish& finish) {
  for (int q = 0; q < walk.count; ++q) {
    Vec sum = Zero();
    const float* w = weight;
    for (int i = 0; i < walk.kernel; ++i) {
      for (int j = 0; j < walk.kernel; ++j, w += walk.weightStep) {
        sum = MulAdd(LoadLanes<kWhole>(x + q * walk.xStep + i * walk.xRow + j * walk.tap, walk.lanes),
                     LoadLanes<kWhole>(w, walk.lanes), sum);
      }
    }
    StoreLanes<kWhole>(y + q * walk.yStep, finish(sum), walk.lanes);
  }
}

template <bool kWhole>
void Row(const RowWalk& walk, const float* x, const float* weight, float* y, const Finish& finish) {
  if (walk.count <= 0) return;
  walk.kernel == 3 ? Row3<kWhole>(walk, x, weight, y, finish) : RowAny<kWhole>(walk, x, weight, y, finish);
}

// Whether a vector may hold several neighbouring pixels: they must be neighbours in x as well.
inline bool Folds(int channels, int stride) { return stride == 1 && channels < kWidth && kWidth % channels == 0; }

// dWeight of a 3 x 3 kernel, one output row: nine sums are enough in flight to hide their latency.
template <bool kWhole>
void WeightsRow3(const RowWalk& walk, const float* x, const float* dy, Vec (&sum)[9]) {
  for (int q = 0; q < walk.count; ++q, x += walk.xStep, dy += walk.yStep) {
    const Vec d = LoadLanes<kWhole>(dy, walk.lanes);
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) {
        const Vec tap = LoadLanes<kWhole>(x + i * walk.xRow + j * walk.tap, walk.lanes);
        sum[3 * i + j] = MulAdd(tap, d, sum[3 * i + j]);
      }
    }
  }
}

// Sums of every output row for one column of lanes; walkAt(whole, run) calls run for each piece of a row.
template <typename Pieces>
void SumWeights(const DepthwiseWeightsArgs& args, const Block& block, Pieces pieces) {
  const std::ptrdiff_t xRow = static_cast<std::ptrdiff_t>(args.inWidth) * args.channels;
  const int taps = args.kernel * args.kernel;
  if (args.kernel == 3) {
    Vec sum[9];
    for (Vec& s : sum) s = Zero();
    for (int r = 0; r < args.outRows; ++r) {
      pieces(r, [&](auto columns, const RowWalk& walk, const float* x, const float* dy) {
        WeightsRow3<decltype(columns)::whole>(walk, x, dy, sum);
      });
    }
    for (int t = 0; t < 9; ++t) AddLanes(args.dWeight + t * args.channels, sum[t], block, args.channels);
    return;
  }
  for (int t = 0; t < taps; ++t) {
    const std::ptrdiff_t offset = (t / args.kernel) * xRow + (t % args.kernel) * args.channels;
    Vec sum = Zero();
    for (int r = 0; r < args.outRows; ++r) {
      pieces(r, [&](auto columns, const RowWalk& walk, const float* x, const float* dy) {
        for (int q = 0; q < walk.count; ++q) {
          sum = MulAdd(LoadLanes<decltype(columns)::whole>(x + q * walk.xStep + offset, walk.lanes),
                       LoadLanes<decltype(columns)::whole>(dy + q * walk.yStep, walk.lanes), sum);
        }
      });
    }
    AddLanes(args.dWeight + t * args.channels, sum, block, args.channels);
  }
}

}  // namespace

void Depthwise(const DepthwiseArgs& args) {
  const int channels = args.channels;
  RowWalk walk;
  walk.xRow = static_cast<std::ptrdiff_t>(args.inWidth) * channels;
  walk.tap = channels;
  walk.kernel = args.kernel;
  walk.weightStep = ChannelVectorSize(channels);
  const std::ptrdiff_t xRowStep = walk.xRow * args.stride;
  const std::ptrdiff_t yRowStep = static_cast<std::ptrdiff_t>(args.outWidth) * channels;
  const auto finishAt = [&](int channel, int lanes) {
    return Finish{args.affine.scale ? LoadPart(args.affine.scale + channel, lanes) : Repeat(1.0f),
                  args.affine.shift ? LoadPart(args.affine.shift + channel, lanes) : Zero(), args.affine.activation};
  };

  if (Folds(channels, args.stride)) {
    const Finish finish = finishAt(0, kWidth);
    const int floats = static_cast<int>(yRowStep);
    walk.xStep = walk.yStep = kWidth;
    for (int r = 0; r < args.outRows; ++r) {
      const float* x = args.x + r * xRowStep;
      float* y = args.y + r * yRowStep;
      walk.count = floats / kWidth;
      walk.lanes = kWidth;
      Row<true>(walk, x, args.weight, y, finish);
      const int done = walk.count * kWidth;
      walk.count = floats > done ? 1 : 0;
      walk.lanes = floats - done;
      Row<false>(walk, x + done, args.weight, y + done, finish);
    }
    return;
  }

  walk.count = args.outWidth;
  walk.xStep = static_cast<std::ptrdiff_t>(args.stride) * channels;
  walk.yStep = channels;
  for (int channel = 0; channel < channels; channel += kWidth) {
    walk.lanes = channels - channel < kWidth ? channels - channel : kWidth;
    const Finish finish = finishAt(channel, walk.lanes);
    for (int r = 0; r < args.outRows; ++r) {
      const float* x = args.x + r * xRowStep + channel;
      float* y = args.y + r * yRowStep + channel;
      if (walk.lanes == kWidth) {
        Row<true>(walk, x, args.weight + channel, y, finish);
      } else {
        Row<false>(walk, x, args.weight + channel, y, finish);
      }
    }
  }
}

void DepthwiseWeights(const DepthwiseWeightsArgs& args) {
  const int channels = args.channels;
  RowWalk walk;
  walk.xRow = static_cast<std::ptrdiff_t>(args.inWidth) * channels;
  walk.tap = channels;
  const std::ptrdiff_t xRowStep = walk.xRow * args.stride;

  if (Folds(channels, args.stride) && args.dyPixel == channels) {
    const int floats = args.outWidth * channels;
    walk.xStep = walk.yStep = kWidth;
    const Block block{0, 0, 0, 0, kWidth, true};
    SumWeights(args, block, [&](int r, auto run) {
      const float* x = args.x + r * xRowStep;
      const float* dy = args.dy + r * args.dyRow;
      walk.count = floats / kWidth;
      walk.lanes = kWidth;
      run(Columns<1, true>{}, walk, x, dy);
      const int done = walk.count * kWidth;
      walk.count = floats > done ? 1 : 0;
      walk.lanes = floats - done;
      if (walk.count > 0) run(Part{}, walk, x + done, dy + done);
    });
    return;
  }

  walk.count = args.outWidth;
  walk.xStep = static_cast<std::ptrdiff_t>(args.stride) * channels;
  walk.yStep = args.dyPixel;
  for (int channel = 0; channel < channels; channel += kWidth) {
    walk.lanes = channels - channel < kWidth ? channels - channel : kWidth;
    const Block block{0, 0, 0, channel, walk.lanes, false};
    SumWeights(args, block, [&](int r, auto run) {
      const float* x = args.x + r * xRowStep + channel;
      const float* dy = args.dy + r * args.dyRow + channel;
      if (walk.lanes == kWidth) {
        run(Columns<1, true>{}, walk, x, dy);
      } else {
        run(Part{}, walk, x, dy);
      }
    });
  }
}

}  // namespace lathe::LATHE_ISA
