// A tensor of a training step: raw values y as its operator stored them, to be read as activation(y * scale + shift),
// and the gradient g of what stands inside the activation.
#pragma once

#include <memory>

#include "kernels/kernels.h"
#include "train/norm.h"
#include "train/program.h"

namespace lathe {

// Pixels of a whole batch are counted in int; whoever makes one refuses more.
inline constexpr std::size_t kMaxPixels = std::size_t{1} << 30;

struct Tensor {
  Shape shape;
  Activation activation = Activation::kNone;
  float alpha = 0, beta = 0;   // of the activation
  std::unique_ptr<Norm> norm;  // null: none
  bool wantsGradient = true;
  int readers = 0;     // operators (or the loss) that will send a gradient
  int arrived = 0;     // of them, in this backward pass
  float* y = nullptr;  // (N, H, W, C)
  float* g = nullptr;  // (N, H, W, C)

  Affine affine() const {
    return {norm ? norm->scale() : nullptr, norm ? norm->shift() : nullptr, activation, alpha, beta};
  }
};

// Values of `pixels` pixels from pixel `begin` on (counted over the whole batch), as readers see them. Where nothing
// has to be applied this is the tensor's own memory and `buffer` stays unused.
const float* LoadPixels(const Kernels& kernels, const Tensor& tensor, std::size_t begin, int pixels, float* buffer);

// A rectangle of one image with zeros around it.
struct PaddedTile {
  int firstRow = 0;  // of the image; may be negative: rows outside the image are zeros
  int rows = 0;
  int left = 0, right = 0;  // zero columns
  int width(const Shape& shape) const { return left + shape.width + right; }
  std::size_t size(const Shape& shape) const { return static_cast<std::size_t>(rows) * width(shape) * shape.channels; }
};

// Fills tile (rows, left + width + right, channels) from image (H, W, C), with the affine applied inside.
void LoadPadded(const Kernels& kernels, const float* image, const Shape& shape, const Affine& affine,
                const PaddedTile& tile, float* out);

// The same without the zeros: what lies around the image stays as it is in `out`.
void LoadInside(const Kernels& kernels, const float* image, const Shape& shape, const Affine& affine,
                const PaddedTile& tile, float* out);

// Takes gradients of a tensor's values, tile by tile, from one reader's backward pass.
class GradientSink {
 public:
  // Opens the next gradient of `tensor`, to come in `chunks` chunks.
  GradientSink(const Kernels& kernels, Tensor& tensor, int chunks);
  bool wanted() const { return tensor_->wantsGradient; }
  // Where nothing is done to gradients but to store them: the place of pixel `begin`, to be written in place of Add;
  // else null.
  float* Direct(std::size_t begin) const;
  // dz is (pixels, channels) from pixel `begin` of the batch on. Every pixel must come exactly once.
  void Add(int chunk, std::size_t begin, int pixels, const float* dz) const;

 private:
  const Kernels* kernels_;
  Tensor* tensor_;
  bool accumulate_ = false, last_ = false;
};

// Hands an operator the gradient of the raw y that it stored.
class GradientSource {
 public:
  // All gradients must have arrived. With a norm this also writes its parameters' gradients.
  GradientSource(const Kernels& kernels, const Tensor& tensor, const float* parameters, float* gradients);
  // Whether Load copies; if not, it returns the tensor's own memory.
  bool copies() const { return tensor_->norm != nullptr; }
  const float* Load(std::size_t begin, int pixels, float* buffer) const;

 private:
  const Kernels* kernels_;
  const Tensor* tensor_;
};

}  // namespace lathe
