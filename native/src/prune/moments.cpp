#include "prune/moments.h"

#include <algorithm>
#include <cstring>

namespace lathe {
namespace {

constexpr int kTile = 64;  // columns: a tile of sums in 16 KiB of floats

// A hash of what decides a position (splitmix64's finisher), so that threads and batches do not.
std::uint64_t Mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

int TileSide(int columns) { return (columns + kTile - 1) / kTile; }

}  // namespace

Moments::Moments(const OpSpec& op, Shape in, Shape out, int samples, std::uint64_t seed)
    : op_(op), in_(in), out_(out), seed_(seed) {
  const bool window = op.kind == OpKind::kConv;
  shape_.taps = window ? op.kernel.height * op.kernel.width : 1;
  shape_.channels = window ? in.channels : static_cast<int>(in.size());
  samples_ = static_cast<int>(std::min<std::size_t>(samples, window ? out.pixels() : 1));
  const std::size_t n = shape_.columns();
  second_.assign(n * n, 0.0);
  mean_.assign(n, 0.0);
}

void Moments::Fit(int images) {
  const std::size_t floats = static_cast<std::size_t>(images) * samples_ * shape_.columns();
  if (buffer_.size() < floats) buffer_ = AlignedFloats(floats);
}

void Moments::Take(int slot, std::uint32_t image, const float* input) {
  const int n = shape_.columns();
  float* row = buffer_.data() + static_cast<std::size_t>(slot) * samples_ * n;
  if (op_.kind != OpKind::kConv) {
    std::copy_n(input, n, row);
    return;
  }
  const std::size_t pixels = out_.pixels();
  for (int s = 0; s < samples_; ++s, row += n) {
    // Where all positions are taken they are taken once each.
    const std::size_t at = static_cast<std::size_t>(samples_) == pixels
                               ? static_cast<std::size_t>(s)
                               : Mix(Mix(seed_ + image) + static_cast<std::uint64_t>(s)) % pixels;
    const int top = static_cast<int>(at / out_.width) * op_.stride.height - op_.padding.top;
    const int left = static_cast<int>(at % out_.width) * op_.stride.width - op_.padding.left;
    float* to = row;
    for (int y = 0; y < op_.kernel.height; ++y) {
      for (int x = 0; x < op_.kernel.width; ++x, to += in_.channels) {
        const int iy = top + y * op_.dilation.height, ix = left + x * op_.dilation.width;
        if (iy < 0 || iy >= in_.height || ix < 0 || ix >= in_.width) {
          std::fill_n(to, in_.channels, 0.0f);
        } else {
          std::copy_n(input + (static_cast<std::size_t>(iy) * in_.width + ix) * in_.channels, in_.channels, to);
        }
      }
    }
  }
}

int Moments::tiles() const {
  const int side = TileSide(shape_.columns());
  return side * (side + 1) / 2;
}

void Moments::AddTile(int tile, int images) {
  const int n = shape_.columns(), side = TileSide(n);
  int i = 0, left = tile;  // tile (i, j) of the upper triangle
  while (left >= side - i) left -= side - i++;
  const int j = i + left;
  const int i0 = i * kTile, i1 = std::min(n, i0 + kTile), j0 = j * kTile, width = std::min(n, j0 + kTile) - j0;
  const std::int64_t rows = static_cast<std::int64_t>(images) * samples_;
  float sums[kTile][kTile] = {};
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* x = buffer_.data() + r * n;
    const float* y = x + j0;
    for (int a = i0; a < i1; ++a) {
      const float factor = x[a];
      if (factor == 0.0f) continue;  // half of what follows a ReLU
      float* sum = sums[a - i0];
      for (int b = 0; b < width; ++b) sum[b] += factor * y[b];
    }
  }
  for (int a = i0; a < i1; ++a) {
    double* to = second_.data() + static_cast<std::size_t>(a) * n + j0;
    for (int b = 0; b < width; ++b) to[b] += sums[a - i0][b];
  }
  if (i != j) return;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (int a = i0; a < i1; ++a) mean_[a] += buffer_.data()[r * n + a];
  }
}

void Moments::Finish() {
  const std::size_t n = shape_.columns();
  const double scale = rows_ > 0 ? 1.0 / static_cast<double>(rows_) : 0.0;
  for (std::size_t a = 0; a < n; ++a) {
    mean_[a] *= scale;
    for (std::size_t b = a; b < n; ++b) {
      const double value = second_[a * n + b] * scale;
      second_[a * n + b] = second_[b * n + a] = value;
    }
  }
  buffer_ = AlignedFloats();
}

}  // namespace lathe
