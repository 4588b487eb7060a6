// A network of which only one path runs at a time: the parameters of every candidate lie in one array, a step makes the
// graph of the path that it is told and touches nothing else. Memory is that of one path (H. Cai et al., ProxylessNAS,
// arXiv 1812.00332, section 3.2). Which path is run when, and what follows from the gates, is decided by the caller.
#pragma once

#include <unordered_map>
#include <vector>

#include "core/aligned.h"
#include "train/batch_loader.h"
#include "train/job.h"
#include "train/optimizer.h"
#include "train/training.h"

namespace lathe {

// A mixed edge of a path in an architecture step. Tensors are those of the path's program.
struct GateEdge {
  int input = 0, output = 0;                // what the candidates read; what the edge gives, their sum
  int active = -1;                          // the output of the candidate that runs; negative: none does (Zero)
  std::vector<std::vector<OpSpec>> others;  // candidates that do not run; tensor 0 is what they read
};

struct GateJob {
  TrainJob step;  // of one batch; of its settings the images, the batch and the watch count
  const Program* path = nullptr;
  std::vector<GateEdge> edges;
};

struct GateResult {
  bool cancelled = false;
  double loss = 0;
  std::uint32_t correct = 0;
  // dL/dg of the active candidate, where one runs, and of the others in their order; edge by edge.
  std::vector<double> gates;
  std::size_t pathBytes = 0, peakBytes = 0;  // tensors of the path; the same with those of the other candidates
};

class Supernet {
 public:
  // `ops` are those of all candidates, each name once; their tensors do not matter. Throws std::invalid_argument.
  explicit Supernet(std::vector<OpSpec> ops);

  const std::vector<OpSpec>& ops() const { return ops_; }
  const ParameterLayout& layout() const { return layout_; }
  AlignedFloats& parameters() { return parameters_; }
  Optimizer& optimizer() { return optimizer_; }
  std::size_t memoryBytes() const {
    return layout_.size() * sizeof(float) + optimizer_.memoryBytes() + buffers_.memoryBytes() +
           memory_.size() * sizeof(float);
  }

  // One path a step. Parameters that are not on it get no gradient, no decay and no momentum. Throws
  // std::invalid_argument for a path with other operators, std::runtime_error where a step is not finite.
  TrainResult Train(const TrainJob& job, const std::vector<Program>& paths);

  // Loss of a batch on a path, with batch norm's batch statistics, and dL/dg_k = <dL/dy, o_k(x)> of the candidates of
  // every edge (o_k with its own batch statistics). Without edges nothing runs backward. Changes neither parameters nor
  // running statistics.
  GateResult Gates(const GateJob& job);

 private:
  ParameterLayout LayoutOf(const std::vector<OpSpec>& ops) const;
  double Dot(const Kernels& kernels, const Tensor& values, const Tensor& gradient, int batch);
  // In `memory`, which is of PlannedFloats().
  double DotOfCandidate(std::unique_ptr<Graph> graph, const TrainingPass& path, const Tensor& input,
                        const Tensor& gradient, float* memory);

  std::vector<OpSpec> ops_;
  ParameterLayout layout_;
  std::unordered_map<std::string, int> opOf_;  // by name
  AlignedFloats parameters_;
  Optimizer optimizer_;
  BatchBuffers buffers_;
  AlignedFloats memory_;  // of the last path, for the next
};

}  // namespace lathe
