#include "train/tensor.h"

#include <algorithm>
#include <stdexcept>

namespace lathe {

const float* LoadPixels(const Kernels& kernels, const Tensor& tensor, std::size_t begin, int pixels, float* buffer) {
  const int channels = tensor.shape.channels;
  const float* y = tensor.y + begin * channels;
  const Affine affine = tensor.affine();
  if (affine.identity()) return y;
  kernels.affine(buffer, y, pixels, channels, affine);
  return buffer;
}

void LoadPadded(const Kernels& kernels, const float* image, const Shape& shape, const Affine& affine,
                const PaddedTile& tile, float* out) {
  const std::size_t left = static_cast<std::size_t>(tile.left) * shape.channels;
  const std::size_t right = static_cast<std::size_t>(tile.right) * shape.channels;
  const std::size_t rowFloats = static_cast<std::size_t>(tile.width(shape)) * shape.channels;
  for (int r = 0; r < tile.rows; ++r) {
    const int row = tile.firstRow + r;
    float* to = out + r * rowFloats;
    if (row < 0 || row >= shape.height) {
      std::fill_n(to, rowFloats, 0.0f);
    } else {
      std::fill_n(to, left, 0.0f);
      std::fill_n(to + rowFloats - right, right, 0.0f);
    }
  }
  LoadInside(kernels, image, shape, affine, tile, out);
}

void LoadInside(const Kernels& kernels, const float* image, const Shape& shape, const Affine& affine,
                const PaddedTile& tile, float* out) {
  const std::size_t imageRow = static_cast<std::size_t>(shape.width) * shape.channels;
  const std::size_t tileRow = static_cast<std::size_t>(tile.width(shape)) * shape.channels;
  const int first = std::max(0, tile.firstRow), last = std::min(shape.height, tile.firstRow + tile.rows);
  out += static_cast<std::size_t>(tile.left) * shape.channels;
  for (int row = first; row < last; ++row) {
    const float* from = image + row * imageRow;
    float* to = out + (row - tile.firstRow) * tileRow;
    if (affine.identity()) {
      std::copy_n(from, imageRow, to);
    } else {
      kernels.affine(to, from, shape.width, shape.channels, affine);
    }
  }
}

GradientSink::GradientSink(const Kernels& kernels, Tensor& tensor, int chunks) : kernels_(&kernels), tensor_(&tensor) {
  if (!tensor.wantsGradient) return;
  accumulate_ = tensor.arrived > 0;
  last_ = ++tensor.arrived == tensor.readers;
  if (tensor.arrived > tensor.readers) throw std::logic_error("more gradients than readers");
  if (last_ && tensor.norm) tensor.norm->BeginBackward(chunks);
}

float* GradientSink::Direct(std::size_t begin) const {
  const Tensor& t = *tensor_;
  const bool stored = t.wantsGradient && !accumulate_ && (!last_ || t.affine().identity());
  return stored ? t.g + begin * t.shape.channels : nullptr;
}

void GradientSink::Add(int chunk, std::size_t begin, int pixels, const float* dz) const {
  Tensor& t = *tensor_;
  const std::size_t offset = begin * t.shape.channels;
  GradientSinkArgs args;
  args.rows = pixels;
  args.channels = t.shape.channels;
  args.dz = dz;
  args.y = t.y + offset;
  args.affine = t.affine();
  args.accumulate = accumulate_;
  args.last = last_;
  args.g = t.g + offset;
  if (t.norm) {
    args.center = t.norm->mean();
    args.sum = t.norm->sum(chunk);
    args.sumTimesCentered = t.norm->sumTimesCentered(chunk);
  }
  kernels_->gradientSink(args);
}

GradientSource::GradientSource(const Kernels& kernels, const Tensor& tensor, const float* parameters, float* gradients)
    : kernels_(&kernels), tensor_(&tensor) {
  if (tensor.arrived != tensor.readers) throw std::logic_error("a gradient is missing");
  if (tensor.norm) tensor.norm->FinishBackward(parameters, gradients);
}

const float* GradientSource::Load(std::size_t begin, int pixels, float* buffer) const {
  const int channels = tensor_->shape.channels;
  const std::size_t offset = begin * channels;
  if (!tensor_->norm) return tensor_->g + offset;
  const Norm& norm = *tensor_->norm;
  kernels_->normBackward(buffer, tensor_->g + offset, tensor_->y + offset, pixels, channels, norm.a(), norm.b(),
                         norm.c());
  return buffer;
}

}  // namespace lathe
