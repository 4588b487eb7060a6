// One step of an optimiser over all trained parameters, on the pool's threads.
#pragma once

#include <cstdint>
#include <vector>

#include "core/aligned.h"
#include "train/job.h"
#include "train/parameters.h"

namespace lathe {

class Optimizer {
 public:
  explicit Optimizer(const ParameterLayout& layout)
      : layout_(layout), first_(layout.size()), gradients_(layout.size()), sums_(layout.all().size()) {}

  AlignedFloats& gradients() { return gradients_; }  // layout.size()
  AlignedFloats& first() { return first_; }          // SGD's velocity, Adam's first moment
  AlignedFloats& second() { return second_; }        // Adam's second moment; empty until Adam has run

  // Gets the memory that this kind of optimiser needs, zeroed.
  void Prepare(OptimizerKind kind);

  // Takes the gradient off every convolution and linear weight that is zero. With its optimiser's state at zero as
  // well, such a weight stays zero whatever the optimiser: its decay is of itself.
  void DropGradientsOfZeros(const float* parameters);

  // The Euclidean norm of all gradients; its bits do not depend on the number of threads.
  double GradientNorm() { return GradientNorm(layout_); }
  // Of a part of the parameters alone; a part lies in the same array.
  double GradientNorm(const ParameterLayout& part);

  // SGD in Sutskever's form as PyTorch has it (I. Sutskever et al., On the importance of initialization and momentum in
  // deep learning, ICML 2013): v = momentum * v + g + decay * w; w -= rate * v, or with Nesterov's momentum
  // w -= rate * (g + decay * w + momentum * v). Adam (D. Kingma, J. Ba, arXiv 1412.6980) with decoupled decay, AdamW
  // (I. Loshchilov, F. Hutter, arXiv 1711.05101), times the learning rate of the step: w *= 1 - rate * decay. `step`
  // counts from 0.
  void Step(const Kernels& kernels, const OptimizerSpec& spec, float learningRate, std::uint64_t step,
            double gradientNorm, float* parameters) {
    Step(kernels, spec, learningRate, step, gradientNorm, layout_, parameters);
  }
  // Of a part of the parameters alone: the others get neither decay nor momentum.
  void Step(const Kernels& kernels, const OptimizerSpec& spec, float learningRate, std::uint64_t step,
            double gradientNorm, const ParameterLayout& part, float* parameters);

  std::size_t memoryBytes() const { return (first_.size() + second_.size() + gradients_.size()) * sizeof(float); }

 private:
  const ParameterLayout& layout_;
  AlignedFloats first_, second_, gradients_;
  std::vector<double> sums_;  // of squares, a parameter each
};

}  // namespace lathe
