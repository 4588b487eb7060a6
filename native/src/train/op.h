// One operator as it runs: a core (convolution, pooling, ...) with the batch norm and activation that follow it. A new
// kind of operator is a subclass in train/ops and one line in graph.cpp.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/thread_pool.h"
#include "kernels/kernels.h"
#include "train/program.h"
#include "train/quantized_training.h"
#include "train/tensor.h"

namespace lathe {

// What follows the core before the tensor is read.
struct Tail {
  std::optional<NormParameters> norm;
  double epsilon = 0, momentum = 0;
  Activation activation = Activation::kNone;
};

// Of one training step.
struct TrainContext {
  const Kernels& kernels;
  int batch = 0;
  const float* parameters = nullptr;
  float* gradients = nullptr;                 // the same layout; every trained parameter's is replaced
  Direction direction = Direction::kForward;  // through the chunks; turns from operator to operator
};

// Constants of inference for one operator; the weights may have been quantized.
struct InferWeights {
  const float* weight = nullptr;  // as in the parameter array; null: none
  Affine affine;                  // bias, running statistics and activation folded; over out channels, periodic
};

// One operator on one micro-batch. Runs on one thread.
struct InferContext {
  const Kernels& kernels;
  int images = 0;
  const float* inputs[2] = {nullptr, nullptr};  // (images, H, W, C)
  float* output = nullptr;                      // (images, H, W, C)
};

class Op {
 public:
  virtual ~Op() = default;

  // Sets up memory for training with this batch size and these kernels.
  virtual void Plan(const Kernels& /*kernels*/, int /*batch*/) {}
  // Weights have changed: pack them. Called before Forward, for several operators at once.
  virtual void PackForTraining(const TrainContext& /*context*/) {}
  // Writes out's y from in's values.
  virtual void Forward(const TrainContext& context) = 0;
  // Sends gradients to in, writes the parameters' gradients.
  virtual void Backward(const TrainContext& context) = 0;

  // Packs constants for Infer. The vectors of `weights` stay valid; its weight does not.
  virtual void PrepareInfer(const Kernels& /*kernels*/, const InferWeights& weights) { inferAffine_ = weights.affine; }
  virtual void Infer(const InferContext& context) const = 0;

  const Affine& inferAffine() const { return inferAffine_; }
  void setInferAffine(const Affine& affine) { inferAffine_ = affine; }

  // Multiply-adds of one image, or what costs as much.
  virtual std::int64_t WorkPerImage() const { return static_cast<std::int64_t>(out->shape.size()) * 4; }

  // Whether the core turns values that are never negative into such.
  virtual bool passesSign() const { return false; }

  int spec = 0;  // index of the core's operator in the program; its parameters and quantization are found by it
  std::vector<Tensor*> in;
  Tensor* out = nullptr;
  std::vector<int> inputs;  // tensor numbers
  int output = 0;
  Tail tail;

 protected:
  void BeginNorm(int chunks) const {
    if (out->norm) out->norm->BeginForward(chunks);
  }
  void AddToNorm(const TrainContext& context, int chunk, const float* y, int rows) const {
    if (out->norm) out->norm->AddRows(context.kernels, chunk, y, rows);
  }
  void FinishNorm(const TrainContext& context, int chunks) const {
    if (out->norm) out->norm->FinishForward(chunks, context.parameters);
  }

  Affine inferAffine_;
};

// Offsets of an operator's own parameters; bias only where it has one.
struct WeightParameters {
  std::size_t weight = 0;
  std::optional<std::size_t> bias;
};

std::unique_ptr<Op> MakePointwise(const OpSpec& spec, WeightParameters parameters);  // 1 x 1 convolution, linear
std::unique_ptr<Op> MakeDense(const OpSpec& spec, WeightParameters parameters);      // any other convolution
std::unique_ptr<Op> MakeDepthwise(const OpSpec& spec, WeightParameters parameters);
std::unique_ptr<Op> MakeIdentity();  // a batch norm or activation that follows nothing it could be merged with
std::unique_ptr<Op> MakeFakeQuantize(ActivationRange* range);  // in training, in front of a quantized operator
std::unique_ptr<Op> MakeAdd();
std::unique_ptr<Op> MakeAveragePool(const OpSpec& spec);  // global: kernel 0

}  // namespace lathe
