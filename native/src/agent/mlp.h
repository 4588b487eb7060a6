// A small dense network with ReLU between its layers: an agent's actor or critic. Runs on the calling thread; at 300
// units and 64 rows a pass is a tenth of a millisecond, less than waking other threads is worth.
#pragma once

#include <cstdint>
#include <vector>

#include "core/aligned.h"
#include "kernels/kernels.h"

namespace lathe {

struct AdamSettings {
  double learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

class Mlp {
 public:
  enum class Output { kLinear, kSigmoid };

  // sizes: input, hidden ..., output; at least two. Everything begins as 0.
  Mlp(std::vector<int> sizes, Output output);

  int inputs() const { return sizes_.front(); }
  int outputs() const { return sizes_.back(); }
  int batch() const { return batch_; }  // of the last Forward; 0: none since the parameters were made

  // Layer by layer: weight (in, out), bias (out).
  std::size_t parameterCount() const { return parameters_.size(); }
  const AlignedFloats& parameters() const { return parameters_; }
  const AlignedFloats& gradients() const { return gradients_; }
  void SetParameters(const float* values);

  AlignedFloats& firstMoment() { return first_; }
  AlignedFloats& secondMoment() { return second_; }
  std::int64_t steps() const { return steps_; }
  void SetSteps(std::int64_t steps) { steps_ = steps; }

  // x is (batch, inputs); returns (batch, outputs), valid until the next call.
  const float* Forward(const float* x, int batch);
  // dOutput is (batch, outputs) of the last Forward; replaces the gradients and returns that of x, (batch, inputs).
  const float* Backward(const float* dOutput);
  // Kingma and Ba 2015, algorithm 1.
  void AdamStep(const AdamSettings& settings);
  // parameters = (1 - tau) * parameters + tau * source's. The sizes must be the same.
  void SoftUpdateFrom(const Mlp& source, double tau);
  bool SameShape(const Mlp& other) const { return sizes_ == other.sizes_; }

 private:
  struct Layer {
    int in = 0, out = 0;
    std::size_t weight = 0, bias = 0;             // offsets
    AlignedFloats forwardPacked, backwardPacked;  // of the weights, for kernels_
  };
  void Pack();

  std::vector<int> sizes_;
  Output output_;
  std::vector<Layer> layers_;
  AlignedFloats parameters_, gradients_, first_, second_;
  std::int64_t steps_ = 0;
  const Kernels* kernels_ = nullptr;  // of the packed weights; null: not packed
  int batch_ = 0;
  std::vector<AlignedFloats> values_;  // of each layer's input, and the output; (batch, size)
  AlignedFloats delta_[2];             // gradients on the way back
};

}  // namespace lathe
