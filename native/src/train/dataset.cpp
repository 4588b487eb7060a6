#include "train/dataset.h"

#include <algorithm>
#include <utility>

namespace lathe {

Dataset::Dataset(ImageBytes images, const std::uint8_t* labels, std::size_t count, Shape stored, Shape shape,
                 const std::vector<double>& mean, const std::vector<double>& std)
    : images_(std::move(images)),
      labels_(labels, labels + count),
      count_(count),
      stored_(stored),
      shape_(shape),
      values_(mean.size() * 256) {
  for (std::size_t c = 0; c < mean.size(); ++c) {
    for (int byte = 0; byte < 256; ++byte) {
      values_[c * 256 + byte] = static_cast<float>((byte / 255.0 - mean[c]) / std[c]);
    }
  }
  if (count > 0) largestLabel_ = *std::max_element(labels, labels + count);
}

const std::uint8_t* Dataset::Fetch(std::size_t image) const {
  const std::size_t bytes = stored_.size();
  if (images_.memory) return images_.memory + image * bytes;
  thread_local std::vector<std::uint8_t> buffer;
  if (buffer.size() < bytes) buffer.resize(bytes);
  images_.file->Read(images_.offset + static_cast<std::uint64_t>(image) * bytes, buffer.data(), bytes);
  return buffer.data();
}

float* Dataset::Fill(float* out, std::size_t pixels) const {
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    for (int c = 0; c < shape_.channels; ++c) *out++ = values_[c * 256];
  }
  return out;
}

void Dataset::Load(std::size_t image, float* out) const {
  const std::uint8_t* from = Fetch(image);
  const int channels = shape_.channels;
  const int top = (shape_.height - stored_.height) / 2, left = (shape_.width - stored_.width) / 2;
  const int right = shape_.width - stored_.width - left;
  out = Fill(out, static_cast<std::size_t>(top) * shape_.width);
  for (int row = 0; row < stored_.height; ++row) {
    out = Fill(out, left);
    for (int column = 0; column < stored_.width; ++column) {
      for (int c = 0; c < channels; ++c) *out++ = values_[c * 256 + *from++];
    }
    out = Fill(out, right);
  }
  Fill(out, static_cast<std::size_t>(shape_.height - stored_.height - top) * shape_.width);
}

void Dataset::Load(std::size_t image, const Placement& placement, float* out) const {
  const std::uint8_t* from = Fetch(image);
  const int channels = shape_.channels;
  // Where the result's pixel (0, 0), not mirrored, lies in the stored image.
  const int top = placement.top - (shape_.height - stored_.height) / 2;
  const int left = placement.left - (shape_.width - stored_.width) / 2;
  for (int y = 0; y < shape_.height; ++y) {
    const int row = y + top;
    const bool cutRow = y >= placement.cutTop && y < placement.cutBottom;
    for (int x = 0; x < shape_.width; ++x, out += channels) {
      if (cutRow && x >= placement.cutLeft && x < placement.cutRight) {
        std::fill_n(out, channels, 0.0f);  // the mean
        continue;
      }
      const int column = (placement.flip ? shape_.width - 1 - x : x) + left;
      if (row < 0 || row >= stored_.height || column < 0 || column >= stored_.width) {
        Fill(out, 1);
        continue;
      }
      const std::uint8_t* pixel = from + (static_cast<std::ptrdiff_t>(row) * stored_.width + column) * channels;
      for (int c = 0; c < channels; ++c) out[c] = values_[c * 256 + pixel[c]];
    }
  }
}

}  // namespace lathe
