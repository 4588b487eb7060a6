#include "agent/mlp.h"

#include <algorithm>
#include <cmath>

#include "core/denormals.h"

namespace lathe {

namespace {

// At least `floats` of memory; what was in it is lost when it has to grow.
void Fit(AlignedFloats& memory, std::size_t floats) {
  if (memory.size() < floats) memory = AlignedFloats(floats);
}

}  // namespace

Mlp::Mlp(std::vector<int> sizes, Output output) : sizes_(std::move(sizes)), output_(output), values_(sizes_.size()) {
  std::size_t offset = 0;
  for (std::size_t i = 0; i + 1 < sizes_.size(); ++i) {
    Layer layer;
    layer.in = sizes_[i];
    layer.out = sizes_[i + 1];
    layer.weight = offset;
    layer.bias = offset + static_cast<std::size_t>(layer.in) * layer.out;
    offset = layer.bias + layer.out;
    layers_.push_back(std::move(layer));
  }
  for (AlignedFloats* v : {&parameters_, &gradients_, &first_, &second_}) *v = AlignedFloats(offset);
}

void Mlp::SetParameters(const float* values) {
  std::copy_n(values, parameters_.size(), parameters_.data());
  kernels_ = nullptr;
}

void Mlp::Pack() {
  const Kernels& kernels = ActiveKernels();
  if (kernels_ == &kernels) return;
  kernels_ = &kernels;
  for (Layer& layer : layers_) {
    const float* weight = parameters_.data() + layer.weight;
    Fit(layer.forwardPacked, PackedSize(kernels, layer.in, layer.out));
    Fit(layer.backwardPacked, PackedSize(kernels, layer.out, layer.in));
    kernels.packRows(weight, layer.out, layer.in, layer.out, layer.forwardPacked.data());
    kernels.packColumns(weight, layer.out, layer.out, layer.in, layer.backwardPacked.data());
  }
}

const float* Mlp::Forward(const float* x, int batch) {
  const FlushDenormals flush;
  Pack();
  batch_ = batch;
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    Fit(values_[i], static_cast<std::size_t>(batch) * sizes_[i]);
  }
  std::copy_n(x, static_cast<std::size_t>(batch) * inputs(), values_[0].data());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const bool last = i + 1 == layers_.size();
    GemmArgs gemm;
    gemm.m = batch;
    gemm.n = layer.out;
    gemm.k = layer.in;
    gemm.a = values_[i].data();
    gemm.lda = layer.in;
    gemm.b = layer.forwardPacked.data();
    gemm.c = values_[i + 1].data();
    gemm.ldc = layer.out;
    gemm.epilogue = Epilogue::kAffine;
    gemm.affine = {nullptr, parameters_.data() + layer.bias, last ? Activation::kNone : Activation::kRelu};
    kernels_->gemm(gemm);
  }
  float* out = values_.back().data();
  if (output_ == Output::kSigmoid) {
    for (int i = 0; i < batch * outputs(); ++i) out[i] = 1.0f / (1.0f + std::exp(-out[i]));
  }
  return out;
}

const float* Mlp::Backward(const float* dOutput) {
  const FlushDenormals flush;
  Pack();
  const int widest = *std::max_element(sizes_.begin(), sizes_.end());
  for (AlignedFloats& delta : delta_) Fit(delta, static_cast<std::size_t>(batch_) * widest);
  float* dy = delta_[0].data();
  float* dx = delta_[1].data();
  const std::size_t outFloats = static_cast<std::size_t>(batch_) * outputs();
  std::copy_n(dOutput, outFloats, dy);
  if (output_ == Output::kSigmoid) {
    const float* y = values_.back().data();
    for (std::size_t i = 0; i < outFloats; ++i) dy[i] *= y[i] * (1.0f - y[i]);
  }
  std::fill(gradients_.begin(), gradients_.end(), 0.0f);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    const Layer& layer = layers_[i];
    // dWeight (in, out) = x^T dy.
    GemmArgs weight;
    weight.m = layer.in;
    weight.n = layer.out;
    weight.k = batch_;
    weight.a = values_[i].data();
    weight.lda = layer.in;
    weight.transposedA = true;
    weight.b = dy;
    weight.ldb = layer.out;
    weight.c = gradients_.data() + layer.weight;
    weight.ldc = layer.out;
    kernels_->gemm(weight);
    kernels_->columnSum(dy, batch_, layer.out, gradients_.data() + layer.bias);
    // dx (batch, in) = dy weight^T, where the ReLU in front let something through.
    GemmArgs input;
    input.m = batch_;
    input.n = layer.in;
    input.k = layer.out;
    input.a = dy;
    input.lda = layer.out;
    input.b = layer.backwardPacked.data();
    input.c = dx;
    input.ldc = layer.in;
    kernels_->gemm(input);
    if (i > 0) {
      const float* x = values_[i].data();
      for (std::size_t j = 0; j < static_cast<std::size_t>(batch_) * layer.in; ++j) dx[j] = x[j] > 0 ? dx[j] : 0.0f;
    }
    std::swap(dx, dy);
  }
  return dy;
}

void Mlp::AdamStep(const AdamSettings& settings) {
  const FlushDenormals flush;
  ++steps_;
  const double t = static_cast<double>(steps_);
  AdamArgs args;
  args.count = parameters_.size();
  args.weight = parameters_.data();
  args.first = first_.data();
  args.second = second_.data();
  args.gradient = gradients_.data();
  args.beta1 = static_cast<float>(settings.beta1);
  args.beta2 = static_cast<float>(settings.beta2);
  args.epsilon = static_cast<float>(settings.epsilon);
  args.stepSize = static_cast<float>(settings.learningRate / (1 - std::pow(settings.beta1, t)));
  args.secondCorrection = static_cast<float>(1 / (1 - std::pow(settings.beta2, t)));
  ActiveKernels().adam(args);
  kernels_ = nullptr;
}

void Mlp::SoftUpdateFrom(const Mlp& source, double tau) {
  const FlushDenormals flush;
  ActiveKernels().lerp(parameters_.data(), source.parameters_.data(), static_cast<float>(tau), parameters_.size());
  kernels_ = nullptr;
}

}  // namespace lathe
