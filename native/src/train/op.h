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
  float alpha = 0, beta = 0;  // of the activation
};

// Of one training step.
struct TrainContext {
  const Kernels& kernels;
  int batch = 0;
  const float* parameters = nullptr;
  float* gradients = nullptr;                 // the same layout; every trained parameter's is replaced
  Direction direction = Direction::kForward;  // through the chunks; turns from operator to operator
  std::uint64_t seed = 0, step = 0;           // what dropout draws depends on
};

// Constants of inference for one operator; the weights may have been quantized.
struct InferWeights {
  const float* parameters = nullptr;  // the whole array, without quantization
  const float* weight = nullptr;      // as in the parameter array; null: none
  Affine affine;                      // bias, running statistics and activation folded; over out channels, periodic
};

// One operator on one micro-batch. Where the caller computes no chunk of a region itself, it may use all threads.
struct InferContext {
  const Kernels& kernels;
  int images = 0;
  float* output = nullptr;               // (images, H, W, C)
  const float* inputs[kMaxInputs] = {};  // (images, H, W, C)
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
  // Whether the core's values are never negative, whatever it reads.
  virtual bool neverNegative() const { return false; }

  // What a thread needs while it works on this operator, in floats, nearly.
  virtual std::size_t ScratchFloats(const Kernels& /*kernels*/) const { return 0; }

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

  // What the epilogues of the tile kernels take on of inferAffine_, and the rest of it, for a tile that they wrote.
  Affine InferEpilogue() const {
    Affine affine = inferAffine_;
    if (!InEpilogue(affine.activation)) affine.activation = Activation::kNone;
    return affine;
  }
  void FinishInfer(const Kernels& kernels, float* y, int pixels) const {
    if (InEpilogue(inferAffine_.activation)) return;
    kernels.affine(y, y, pixels, out->shape.channels,
                   {nullptr, nullptr, inferAffine_.activation, inferAffine_.alpha, inferAffine_.beta});
  }
  // All of it, for operators whose core has no epilogue.
  void ApplyInferAffine(const InferContext& context) const {
    if (inferAffine_.identity()) return;
    context.kernels.affine(context.output, context.output, context.images * static_cast<int>(out->shape.pixels()),
                           out->shape.channels, inferAffine_);
  }

  Affine inferAffine_;
};

// Offsets of a channelAffine's constants.
struct ScaleParameters {
  std::size_t scale = 0, shift = 0;
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
std::unique_ptr<Op> MakeChannelAffine(const OpSpec& spec, ScaleParameters parameters);
std::unique_ptr<Op> MakeDropout(const OpSpec& spec);
std::unique_ptr<Op> MakeAdd();
std::unique_ptr<Op> MakeMultiply();  // of two tensors of one shape
std::unique_ptr<Op> MakeGate();      // of a tensor and one value a channel
std::unique_ptr<Op> MakeConcat();
std::unique_ptr<Op> MakePool(const OpSpec& spec);
std::unique_ptr<Op> MakeGlobalPool();
std::unique_ptr<Op> MakePad(const OpSpec& spec);
std::unique_ptr<Op> MakeFlatten();
std::unique_ptr<Op> MakeSoftmax(const OpSpec& spec);

}  // namespace lathe
