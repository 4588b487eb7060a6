#include "train/ops/input_gradient.h"

#include <algorithm>

namespace lathe {

InputGradient::InputGradient(const Shape& in, const Shape& out, const OpSpec& spec, const Kernels& kernels)
    : in_(in),
      out_(out),
      spec_(spec),
      groupIn_(spec.inChannels / spec.groups),
      groupOut_(spec.outChannels / spec.groups) {
  lastColumn_ = out.width - 1;
  for (int row = 0; row < std::min(spec.stride.height, in.height); ++row) {
    for (int column = 0; column < std::min(spec.stride.width, in.width); ++column) AddPhase(row, column);
  }
  std::size_t mostTaps = 0;
  for (Phase& phase : phases_) {
    const int steps = static_cast<int>(phase.taps.size()) * groupOut_;
    phase.packed = groupPacked_;
    groupPacked_ += PackedSize(kernels, steps, groupIn_);
    mostTaps = std::max(mostTaps, phase.taps.size());
    for (const Tap& tap : phase.taps) {
      const int last = phase.column + (in.width - 1 - phase.column) / spec.stride.width * spec.stride.width;
      firstColumn_ = std::min(firstColumn_, Base(phase.column, spec.padding.left, spec.stride.width) + tap.dyColumn);
      lastColumn_ = std::max(lastColumn_, Base(last, spec.padding.left, spec.stride.width) + tap.dyColumn);
      firstRow_ = std::min(firstRow_, tap.dyRow);
      lastRow_ = std::max(lastRow_, tap.dyRow);
    }
  }
  // With neither stride nor dilation the taps of a kernel row read neighbouring pixels.
  const bool joined = spec.groups == 1 && spec.stride.width == 1 && spec.dilation.width == 1;
  const std::size_t step = joined ? spec.kernel.width : 1;
  for (Phase& phase : phases_) {
    for (std::size_t i = 0; i < phase.taps.size(); i += step) {
      const Tap& tap = phase.taps[i];
      phase.runs.push_back((static_cast<std::ptrdiff_t>(tap.dyRow) * columns() + tap.dyColumn) * out.channels);
    }
  }
  packed_ = AlignedFloats(groupPacked_ * spec.groups);
  rows_ = AlignedFloats(mostTaps * groupOut_ * groupIn_);
}

void InputGradient::AddPhase(int row, int column) {
  Phase phase{row, column, {}, {}, 0};
  const int aboveBase = (row + spec_.padding.top) % spec_.stride.height;
  const int leftOfBase = (column + spec_.padding.left) % spec_.stride.width;
  // From the last kernel row and column to the first: output pixels in the order in which they lie in memory.
  for (int ky = spec_.kernel.height - 1; ky >= 0; --ky) {
    const int down = aboveBase - ky * spec_.dilation.height;
    if (down % spec_.stride.height != 0) continue;
    for (int kx = spec_.kernel.width - 1; kx >= 0; --kx) {
      const int right = leftOfBase - kx * spec_.dilation.width;
      if (right % spec_.stride.width != 0) continue;
      phase.taps.push_back({ky, kx, down / spec_.stride.height, right / spec_.stride.width});
    }
  }
  phases_.push_back(std::move(phase));
}

void InputGradient::Pack(const Kernels& kernels, const float* weight) {
  const std::ptrdiff_t row = static_cast<std::ptrdiff_t>(spec_.kernel.height) * spec_.kernel.width * groupIn_;
  for (int group = 0; group < spec_.groups; ++group) {
    const float* own = weight + group * groupOut_ * row;
    for (const Phase& phase : phases_) {
      float* to = rows_.data();
      for (const Tap& tap : phase.taps) {
        const float* from = own + static_cast<std::ptrdiff_t>(tap.row * spec_.kernel.width + tap.column) * groupIn_;
        for (int o = 0; o < groupOut_; ++o, to += groupIn_) std::copy_n(from + o * row, groupIn_, to);
      }
      kernels.packRows(rows_.data(), groupIn_, static_cast<int>(phase.taps.size()) * groupOut_, groupIn_,
                       packed_.data() + group * groupPacked_ + phase.packed);
    }
  }
}

InputGradient::Tile InputGradient::TileOf(int begin, int end, Range own) const {
  Tile tile;
  tile.firstColumn = firstColumn_;
  tile.columns = columns();
  tile.firstRow = std::min(Base(begin, spec_.padding.top, spec_.stride.height) + firstRow_, own.begin);
  const int last = Base(end - 1, spec_.padding.top, spec_.stride.height) + lastRow_;
  tile.rows = std::max(last + 1, own.end) - tile.firstRow;
  return tile;
}

void InputGradient::LoadTile(const GradientSource& source, std::size_t first, const Tile& tile, float* dy) const {
  const int channels = out_.channels;
  const std::size_t rowFloats = static_cast<std::size_t>(tile.columns) * channels;
  const std::size_t inner = static_cast<std::size_t>(out_.width) * channels;
  const std::size_t lead = static_cast<std::size_t>(-tile.firstColumn) * channels;
  for (int r = 0; r < tile.rows; ++r, dy += rowFloats) {
    const int row = tile.firstRow + r;
    if (row < 0 || row >= out_.height) {
      std::fill_n(dy, rowFloats, 0.0f);
      continue;
    }
    std::fill_n(dy, lead, 0.0f);
    std::fill_n(dy + lead + inner, rowFloats - lead - inner, 0.0f);
    const float* from = source.Load(first + static_cast<std::size_t>(row) * out_.width, out_.width, dy + lead);
    if (from != dy + lead) std::copy_n(from, inner, dy + lead);
  }
}

void InputGradient::Run(const Kernels& kernels, const Tile& tile, const float* dy, int begin, int end, float* offsets,
                        float* dx) const {
  const Pair stride = spec_.stride;
  auto* dyOffsets = reinterpret_cast<std::ptrdiff_t*>(offsets);
  auto* dxOffsets = dyOffsets + static_cast<std::size_t>(end - begin) * in_.width;
  for (const Phase& phase : phases_) {
    int pixels = 0;
    const int before =
        (phase.row - begin % stride.height + stride.height) % stride.height;  // rows that are not its own
    for (int row = begin + before; row < end; row += stride.height) {
      const int dyRow = Base(row, spec_.padding.top, stride.height);
      for (int column = phase.column; column < in_.width; column += stride.width) {
        const int dyColumn = Base(column, spec_.padding.left, stride.width);
        dyOffsets[pixels] = tile.At(dyRow, dyColumn) * out_.channels;
        dxOffsets[pixels++] = (static_cast<std::ptrdiff_t>(row - begin) * in_.width + column) * in_.channels;
      }
    }
    if (phase.taps.empty()) {
      for (int i = 0; i < pixels; ++i) std::fill_n(dx + dxOffsets[i], in_.channels, 0.0f);
      continue;
    }
    GemmArgs gemm;
    gemm.m = pixels;
    gemm.n = groupIn_;
    gemm.k = static_cast<int>(phase.taps.size()) * groupOut_;
    gemm.aRows = dyOffsets;
    gemm.aRuns = phase.runs.data();
    gemm.runs = static_cast<int>(phase.runs.size());
    gemm.cRows = dxOffsets;
    for (int group = 0; group < spec_.groups; ++group) {
      gemm.a = dy + group * groupOut_;
      gemm.b = packed_.data() + group * groupPacked_ + phase.packed;
      gemm.c = dx + group * groupIn_;
      kernels.gemm(gemm);
    }
  }
}

}  // namespace lathe
