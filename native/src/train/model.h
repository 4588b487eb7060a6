// A network with its parameters, batch-norm statistics and optimiser state; trains, evaluates, calibrates. One call at
// a time: the binding sees to that.
#pragma once

#include <memory>
#include <vector>

#include "core/aligned.h"
#include "prune/least_squares.h"
#include "train/batch_loader.h"
#include "train/inference.h"
#include "train/job.h"
#include "train/optimizer.h"
#include "train/training.h"

namespace lathe {

class Model {
 public:
  // Throws std::invalid_argument. gamma and running variances begin as 1, everything else as 0.
  explicit Model(Program program);

  const Program& program() const { return program_; }
  const ParameterLayout& layout() const { return layout_; }
  // Indices of the quantizable operators, in program order.
  const std::vector<int>& quantizableOps() const { return quantizable_; }

  AlignedFloats& parameters() { return parameters_; }  // layout().size()
  Optimizer& optimizer() { return optimizer_; }        // the same places

  // What this holds outside JavaScript's sight, nearly.
  std::size_t memoryBytes() const {
    return layout_.size() * sizeof(float) + optimizer_.memoryBytes() + buffers_.memoryBytes() +
           (pass_ ? pass_->memoryBytes() : 0);
  }

  // Throws std::runtime_error where the loss or a gradient stops being finite; the model then stands behind the step
  // before.
  TrainResult Train(const TrainJob& job);
  EvaluateResult Evaluate(const EvaluateJob& job);
  // A k-means codebook of each wanted operator's weights, null for the others; empty after a cancel.
  std::vector<std::shared_ptr<const Codebook>> Cluster(const ClusterJob& job) const;
  // Throws std::runtime_error after a cancel.
  ForwardResult Forward(const ForwardJob& job) const;
  // Known before the start: follows from the program, the batch and the threads in use; the images are not counted.
  // Training: float. Throws std::invalid_argument where the batch is too large, std::bad_alloc where the machine could
  // never give so much.
  MemoryNeed PeakMemory(const Kernels& kernels, int batch, OptimizerKind kind) const;
  // Collects the moments of these operators with their weights as they stand, for Reconstruct. False after a cancel:
  // the model then has what it had before.
  bool CollectMoments(const MomentsJob& job);
  // Weights for operators that have lost channels; layers are those of the last CollectMoments, in its order.
  std::vector<Reconstructed> Reconstruct(const std::vector<ReconstructJob>& jobs, double ridge, bool wantErrors) const;
  const std::vector<LeastSquares>& leastSquares() const { return leastSquares_; }
  // Empty after a cancel.
  std::vector<Calibration> Calibrate(const CalibrateJob& job);

 private:
  std::size_t TrainingBytes(const Kernels& kernels, int batchSize, OptimizerKind kind) const;
  // What a thread that works on the graph's operators needs at most.
  std::size_t WorkingBytes(const Graph& graph, const Kernels& kernels) const;
  // The pass of this batch size, kept from call to call; what is quantized in it belongs to quantized_.
  TrainingPass& PreparePass(const TrainJob& job);
  // `quantizers` (one a quantizable operator) by operator of the program, activations signed where they may be
  // negative.
  std::vector<OpQuantizer> ByOp(const Graph& graph, const std::vector<OpQuantizer>& quantizers) const;
  std::unique_ptr<QuantizedTraining> MakeQuantized(const TrainJob& job) const;
  std::unique_ptr<InferencePass> MakeInference(const Kernels& kernels,
                                               const std::vector<OpQuantizer>& quantizers) const;

  Program program_;
  ParameterLayout layout_;
  std::vector<int> quantizable_;
  AlignedFloats parameters_;
  Optimizer optimizer_;
  BatchBuffers buffers_;
  std::vector<LeastSquares> leastSquares_;        // of the last CollectMoments
  std::unique_ptr<QuantizedTraining> quantized_;  // of the last training; null: float
  std::unique_ptr<TrainingPass> pass_;            // of the last batch size
};

}  // namespace lathe
