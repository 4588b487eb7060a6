// Inference: batch norm folded from the running statistics, weights quantized beforehand, activations on the way. An
// operator with both widths works on codes, whole numbers in floats, whose steps are part of the folded scale: its sums
// are exact below 2^24, and then all it computes is, bit for bit, what the integer path computes. The
// images of a batch go through the whole network a few at a time, each few on one thread and within its cache. A batch
// that is one such few, as a single image is, goes through on all threads.
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "core/aligned.h"
#include "core/function_ref.h"
#include "quantize/weights.h"
#include "train/graph.h"

namespace lathe {

class InferencePass {
 public:
  // `quantizers` has one entry an operator of `specs`; without bits where it stays float, or empty for none at all.
  InferencePass(std::unique_ptr<Graph> graph, const Kernels& kernels, const ParameterLayout& layout,
                const float* parameters, const std::vector<OpQuantizer>& quantizers);

  // Images that go through at a time. Results do not depend on it.
  int capacity() const { return capacity_; }
  const Graph& graph() const { return *graph_; }
  // Of each thread that runs it, working memory not counted.
  std::size_t floatsPerThread() const { return memory_; }
  const Kernels& kernels() const { return kernels_; }
  const OpQuantizer& quantizer(std::size_t op) const { return quantizers_[op]; }  // of an operator of the graph

  // Replaces the folded running statistics by those of `images` images under this pass's quantization. load(image, out)
  // writes one input, (H, W, C). Holds the activations of all images at once. False once `cancelled` is set: the pass
  // is then of no more use. `measured`, where given, is a parameter array that takes them as its running statistics.
  bool Recalibrate(int images, const float* parameters, FunctionRef<void(int, float*)> load,
                   const std::atomic<bool>* cancelled, float* measured = nullptr);

  // Called before an operator runs, with its (float) first input, or after, with its output: (images, H, W, C).
  using Observer = FunctionRef<void(const Op& op, const float* values, std::size_t floats)>;

  // Runs `images` <= capacity() images on this thread. fill(input, destination) writes an input, (images, H, W, C).
  // Returns the result, (images, H * W * C), valid until this thread's next call; null once `cancelled` is set.
  const float* Run(int images, FunctionRef<void(int, float*)> fill, const std::atomic<bool>* cancelled,
                   const Observer* observer = nullptr, const Observer* after = nullptr) const;

  // Runs one operator of the graph. Where its first input is to be quantized, that goes to `quantized`, which may be
  // the input itself.
  void RunOp(std::size_t i, InferContext context, float* quantized) const;

 private:
  void PrepareOp(Op& op, const ParameterLayout& layout, const float* parameters, const OpQuantizer& quantizer);
  void QuantizeInput(std::size_t i, const float* x, float* y, std::size_t count) const;
  void PlanMemory();

  std::unique_ptr<Graph> graph_;
  const Kernels& kernels_;
  int capacity_ = 1;
  std::vector<OpQuantizer> quantizers_;             // by operator of graph_
  std::vector<AlignedFloats> scales_, shifts_;      // by operator of graph_; the scales of codes where it has both
  std::vector<AlignedFloats> steps_;                // by operator of graph_: a unit of a sum of codes; empty: no codes
  std::vector<std::optional<std::size_t>> biases_;  // by operator of graph_: offset in the parameters
  std::vector<std::size_t> offsets_;                // of each tensor, in a thread's memory
  std::size_t quantizedOffset_ = 0, memory_ = 0;  // where inputs are quantized that others read as well; floats in all
};

}  // namespace lathe
