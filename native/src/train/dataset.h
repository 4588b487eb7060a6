// Images as bytes, in memory or in a file, and the way from bytes to an input batch. Does not own images in memory;
// labels are copied, since a label that changed later could name a class that does not exist.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/random_access_file.h"
#include "train/augment.h"
#include "train/program.h"

namespace lathe {

// Where the images lie, one behind the other: (count, height, width, channels).
struct ImageBytes {
  const std::uint8_t* memory = nullptr;
  std::unique_ptr<const RandomAccessFile> file;  // where there is no memory
  std::uint64_t offset = 0;                      // of the first image in the file
};

class Dataset {
 public:
  // stored is the shape of the images as they lie; shape what a network sees, at least as high and wide: a smaller
  // image is centred on zero bytes, with an odd margin the spare row below and the spare column right. labels is
  // (count); mean and std have an entry a channel.
  Dataset(ImageBytes images, const std::uint8_t* labels, std::size_t count, Shape stored, Shape shape,
          const std::vector<double>& mean, const std::vector<double>& std);

  std::size_t count() const { return count_; }
  const Shape& shape() const { return shape_; }
  const Shape& stored() const { return stored_; }
  int largestLabel() const { return largestLabel_; }
  std::uint8_t label(std::size_t image) const { return labels_[image]; }

  // (byte / 255 - mean) / std of one image, (H, W, C). Throws std::runtime_error when a file cannot be read.
  void Load(std::size_t image, float* out) const;
  // The same of the image as it was placed: augmentation sees the centred image.
  void Load(std::size_t image, const Placement& placement, float* out) const;

 private:
  // The stored bytes of one image; valid until the same thread asks for another one.
  const std::uint8_t* Fetch(std::size_t image) const;
  float* Fill(float* out, std::size_t pixels) const;  // with what a zero byte becomes

  ImageBytes images_;
  std::vector<std::uint8_t> labels_;
  std::size_t count_;
  Shape stored_, shape_;
  int largestLabel_ = 0;
  std::vector<float> values_;  // (channels, 256): what each byte becomes
};

}  // namespace lathe
