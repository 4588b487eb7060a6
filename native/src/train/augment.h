// Augmentation of training images: where one image is cropped, whether it is mirrored, what is cut out of it. Every
// draw depends on the seed, the step and the image alone, so that results depend neither on threads nor on where a
// training was stopped and resumed.
#pragma once

#include <cstdint>

#include "train/program.h"

namespace lathe {

struct Augmentation {
  int cropPadding = 0;  // pixels of black around the image, of which a window of its own size is taken
  bool flip = false;    // left to right, one time in two
  int cutout = 0;       // side of a square of the mean colour, in pixels; its centre lies anywhere in the image
  bool none() const { return cropPadding == 0 && !flip && cutout == 0; }
};

// What was drawn for one image. Pixel (y, x) of the result is pixel (y + top, (flip ? width - 1 - x : x) + left) of the
// image, black where that lies outside; [cutTop, cutBottom) x [cutLeft, cutRight) of the result becomes the mean.
struct Placement {
  int top = 0, left = 0;
  bool flip = false;
  int cutTop = 0, cutBottom = 0, cutLeft = 0, cutRight = 0;
};

Placement DrawPlacement(const Augmentation& augmentation, const Shape& shape, std::uint64_t seed, std::uint64_t step,
                        std::uint32_t image);

}  // namespace lathe
