#include "train/augment.h"

#include <algorithm>

namespace lathe {
namespace {

// The finaliser of SplitMix64: G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators,
// OOPSLA 2014. Used as a hash of a counter: there is no state to save.
std::uint64_t Mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Numbers of one image in one step, one after the other.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t step, std::uint32_t image) : key_(Mix(Mix(Mix(seed) ^ step) ^ image)) {}

  // Uniform in [0, count), by the high bits of a product: D. Lemire, Fast random integer generation in an interval,
  // 2019. Its bias is count / 2^32.
  int Below(int count) {
    const std::uint64_t bits = Mix(key_ ^ next_++) >> 32;
    return static_cast<int>(bits * static_cast<std::uint64_t>(count) >> 32);
  }

 private:
  std::uint64_t key_;
  std::uint64_t next_ = 1;
};

}  // namespace

Placement DrawPlacement(const Augmentation& augmentation, const Shape& shape, std::uint64_t seed, std::uint64_t step,
                        std::uint32_t image) {
  Draws draws(seed, step, image);
  Placement placement;
  if (augmentation.cropPadding > 0) {
    placement.top = draws.Below(2 * augmentation.cropPadding + 1) - augmentation.cropPadding;
    placement.left = draws.Below(2 * augmentation.cropPadding + 1) - augmentation.cropPadding;
  }
  if (augmentation.flip) placement.flip = draws.Below(2) == 1;
  if (augmentation.cutout > 0) {
    const int top = draws.Below(shape.height) - augmentation.cutout / 2;
    const int left = draws.Below(shape.width) - augmentation.cutout / 2;
    placement.cutTop = std::max(0, top);
    placement.cutBottom = std::min(shape.height, top + augmentation.cutout);
    placement.cutLeft = std::max(0, left);
    placement.cutRight = std::min(shape.width, left + augmentation.cutout);
  }
  return placement;
}

}  // namespace lathe
