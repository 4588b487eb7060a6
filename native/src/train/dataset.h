// Images as bytes, and the way from bytes to an input batch. Does not own the images; labels are copied, since a label
// that changed later could name a class that does not exist.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "train/program.h"

namespace lathe {

class Dataset {
 public:
  // images is (count, height, width, channels), labels (count); mean and std have an entry a channel.
  Dataset(const std::uint8_t* images, const std::uint8_t* labels, std::size_t count, Shape shape,
          const std::vector<double>& mean, const std::vector<double>& std);

  std::size_t count() const { return count_; }
  const Shape& shape() const { return shape_; }
  int largestLabel() const { return largestLabel_; }
  std::uint8_t label(std::size_t image) const { return labels_[image]; }

  // (byte / 255 - mean) / std of one image, (H, W, C).
  void Load(std::size_t image, float* out) const;

 private:
  const std::uint8_t* images_;
  std::vector<std::uint8_t> labels_;
  std::size_t count_;
  Shape shape_;
  int largestLabel_ = 0;
  std::vector<float> values_;  // (channels, 256): what each byte becomes
};

}  // namespace lathe
