// Inference of a quantized network in integer arithmetic. Convolutions and linear operators whose weights and
// activations are both quantized run on codes (IntegerLayer); between two of them a tensor is stored as the bytes of
// its codes. All other operators (sums, pooling, activations that stand alone, operators left without bits) work on
// floats, as hardware's vector units do.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "quantize/integer_layer.h"
#include "train/inference.h"

namespace lathe {

class IntegerPass {
 public:
  // Takes graph, folded batch norm and float operators from `pass`, which must outlive this and stay as it is. Throws
  // std::invalid_argument as IntegerLayer does, and where no operator has both widths.
  IntegerPass(const InferencePass& pass, const std::vector<OpSpec>& specs, const ParameterLayout& layout,
              const float* parameters, const IntegerKernels& kernels);

  // Images that go through at a time. Results do not depend on it.
  int capacity() const { return capacity_; }

  // As InferencePass::Run.
  const float* Run(int images, FunctionRef<void(int, float*)> fill, const std::atomic<bool>* cancelled) const;

 private:
  void PlanMemory();
  // The codes of a layer's input: where they are stored, or made from its values.
  const std::uint8_t* InputCodes(std::size_t op, int images, float* base) const;

  const InferencePass& pass_;
  const IntegerKernels& kernels_;
  std::vector<std::unique_ptr<IntegerLayer>> layers_;  // by operator of the graph; null: float
  std::vector<const CodeArgs*> stored_;                // by tensor: how its codes are stored; null: as floats
  std::vector<std::size_t> offsets_;                   // by tensor, in a thread's memory
  std::size_t quantizedOffset_ = 0, memory_ = 0;       // where inputs stored as floats are quantized; floats in all
  int capacity_ = 1;
};

}  // namespace lathe
