#include "train/dataset.h"

#include <algorithm>

namespace lathe {

Dataset::Dataset(const std::uint8_t* images, const std::uint8_t* labels, std::size_t count, Shape shape,
                 const std::vector<double>& mean, const std::vector<double>& std)
    : images_(images), labels_(labels, labels + count), count_(count), shape_(shape), values_(mean.size() * 256) {
  for (std::size_t c = 0; c < mean.size(); ++c) {
    for (int byte = 0; byte < 256; ++byte) {
      values_[c * 256 + byte] = static_cast<float>((byte / 255.0 - mean[c]) / std[c]);
    }
  }
  if (count > 0) largestLabel_ = *std::max_element(labels, labels + count);
}

void Dataset::Load(std::size_t image, float* out) const {
  const std::uint8_t* from = images_ + image * shape_.size();
  const int channels = shape_.channels;
  for (std::size_t pixel = 0; pixel < shape_.pixels(); ++pixel) {
    for (int c = 0; c < channels; ++c) *out++ = values_[c * 256 + *from++];
  }
}

}  // namespace lathe
