// Second moments of what enters a convolution or linear layer, over sampled output positions: all that least squares
// needs to know of the images. Collected once for a network; pruning it in another way then is algebra alone.
#pragma once

#include <cstdint>
#include <vector>

#include "core/aligned.h"
#include "train/program.h"

namespace lathe {

// A layer's window: taps in rows and columns of its kernel, channels inside each; the layout of a row of weights.
struct MomentShape {
  int taps = 1, channels = 1;
  int columns() const { return taps * channels; }
};

class Moments {
 public:
  // For an ungrouped convolution or a linear layer that reads images of shape `in` and writes `out`. `samples` output
  // positions are taken of each image, all where there are fewer.
  Moments(const OpSpec& op, Shape in, Shape out, int samples, std::uint64_t seed);

  const MomentShape& shape() const { return shape_; }
  int rowsPerImage() const { return samples_; }
  // Bytes while collecting `images` at a time.
  static std::size_t Bytes(const MomentShape& shape) {
    return static_cast<std::size_t>(shape.columns()) * shape.columns() * sizeof(double);
  }

  // Room for the rows of a batch.
  void Fit(int images);
  // Takes one image's input (H, W, C); `slot` in the batch, `image` in the data set. Different slots from any threads.
  void Take(int slot, std::uint32_t image, const float* input);
  // Adds the rows of `images` slots: tiles in [0, tiles()) from any threads, each once.
  int tiles() const;
  void AddTile(int tile, int images);
  void AddRows(int images) { rows_ += static_cast<std::int64_t>(images) * samples_; }
  // Behind the last batch: fills the other triangle, divides, frees the rows.
  void Finish();

  // (columns, columns) of E[x x^T], and (columns) of E[x].
  const std::vector<double>& second() const { return second_; }
  const std::vector<double>& mean() const { return mean_; }

 private:
  OpSpec op_;
  Shape in_, out_;
  MomentShape shape_;
  int samples_;
  std::uint64_t seed_;
  std::int64_t rows_ = 0;
  AlignedFloats buffer_;        // (images * samples, columns)
  std::vector<double> second_;  // rows above and on the diagonal until Finish
  std::vector<double> mean_;
};

}  // namespace lathe
