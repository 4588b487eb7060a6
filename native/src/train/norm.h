// Batch normalisation of one tensor during training: statistics of a batch from the partial sums of chunks, and the
// coefficients of its backward pass. The normalised values themselves are never stored: readers compute
// activation(y * scale + shift) from the stored y as they load it.
#pragma once

#include <vector>

#include "core/aligned.h"
#include "core/partition.h"
#include "kernels/kernels.h"
#include "train/parameters.h"

namespace lathe {

// Offsets into the flat parameter array.
struct NormParameters {
  std::size_t gamma = 0, beta = 0, runningMean = 0, runningVariance = 0;
};

class Norm {
 public:
  Norm(int channels, double epsilon, double momentum, NormParameters parameters);

  // Forward: every chunk begins, adds its rows of y tile by tile, and after the region one thread finishes.
  void BeginForward(int chunks);
  void AddRows(const Kernels& kernels, int chunk, const float* y, int rows);
  // Makes scale and shift from the batch's statistics.
  void FinishForward(int chunks, const float* parameters);
  // Moves the running statistics towards those of the batch: apart from FinishForward, so that a step that is given up
  // half-way leaves no trace.
  void CommitRunning(float* parameters) const;
  // Makes the batch's statistics the running ones: inference then computes what FinishForward made scale and shift for.
  // `bias` (channels), null for none, is what the rows lack of the values that inference normalises.
  void StoreAsRunning(float* parameters, const float* bias) const;

  // Backward: readers sum g and g * (y - mean) by chunk (GradientSink); then one thread finishes.
  void BeginBackward(int chunks);
  // Writes gamma's and beta's gradients; afterwards dy = a * g + b * y + c.
  void FinishBackward(const float* parameters, float* gradients);

  const float* scale() const { return scale_.data(); }
  const float* shift() const { return shift_.data(); }
  const float* mean() const { return mean_.data(); }
  const float* a() const { return a_.data(); }
  const float* b() const { return b_.data(); }
  const float* c() const { return c_.data(); }
  float* sum(int chunk) { return partial_.data() + Slot(chunk, 0); }
  float* sumTimesCentered(int chunk) { return partial_.data() + Slot(chunk, 1); }

 private:
  std::size_t Slot(int chunk, int which) const { return (static_cast<std::size_t>(chunk) * 3 + which) * stride_; }

  int channels_;
  double epsilon_, momentum_;
  NormParameters at_;
  std::size_t stride_;     // floats of one partial vector
  AlignedFloats partial_;  // (chunks, {sum, sum of squares or weighted sum, center}, stride)
  int backwardChunks_ = 0;
  std::vector<int> rows_;                                        // by chunk
  std::vector<double> batchMean_, batchDeviations_;              // (channels): mean, sum of squared deviations
  std::vector<double> sums_, weighted_;                          // (channels), while combining in backward
  double count_ = 0;                                             // rows of the batch
  AlignedFloats scale_, shift_, mean_, inverseStd_, a_, b_, c_;  // (channels), periodic
};

// Repeats the first `channels` values of a per-channel vector as the kernels expect them.
void MakePeriodic(float* vector, int channels);

}  // namespace lathe
