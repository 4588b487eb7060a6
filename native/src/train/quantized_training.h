// What quantization adds to training: weights that are quantized anew for each step, activation ranges that learn
// (PACT), codebooks whose weights move together. The float weights stay the ones that the optimiser moves; rounding
// passes their gradients straight through.
#pragma once

#include <vector>

#include "core/aligned.h"
#include "quantize/weights.h"
#include "train/parameters.h"

namespace lathe {

// The range of one operator's activations while training.
struct ActivationRange {
  Quantizer quantizer;  // its threshold is the range
  bool learned = false;
  double gradient = 0;  // of the last backward pass
  float velocity = 0;
};

// How ranges and codebooks learn.
struct QuantizedTrainingOptions {
  bool learnRanges = false;
  float rangeDecay = 0;       // added to a range's gradient, times the range
  float momentum = 0;         // of the ranges
  bool meanGradient = false;  // codebooks: the mean of a cluster's gradients instead of their sum
};

class QuantizedTraining {
 public:
  // `quantizers` has an entry an operator of the program; velocities (of the ranges) likewise, or none.
  QuantizedTraining(const ParameterLayout& layout, std::vector<OpQuantizer> quantizers, std::vector<float> velocities,
                    const QuantizedTrainingOptions& options);

  // By operator of the program: its range, or null where its activations are not quantized. Valid as long as this.
  std::vector<ActivationRange*> ranges();
  // Takes everything over from another one while the pointers to the ranges stay good; false, and nothing is taken,
  // where other operators are quantized or learn.
  bool Adopt(QuantizedTraining& other);

  // Puts every codebook weight onto its centroid.
  void Start(float* parameters) const;
  // The parameters as this step's passes read them: the same layout, weights quantized. One bit takes the mean of |w|
  // anew.
  const float* Quantized(const Kernels& kernels, const float* parameters);
  // Gives the weights of a cluster one gradient: their sum (Deep Compression, section 3.3) or their mean (which is what
  // HAQ's code does by replacing weights by their cluster's mean); what was pruned gets none. An optimiser that works
  // weight by weight then moves them together.
  void ShareGradients(float* gradients) const;
  // Puts every codebook weight onto the mean of its cluster: where the weights moved together that changes nothing.
  void PinClusters(float* parameters) const;
  // v = momentum v + gradient + decay * range; range -= rate * v, and stays positive.
  void StepRanges(float learningRate);
  // Whether every range and its gradient is a number.
  bool finite() const;

  // As they stand: thresholds, ranges, centroids.
  std::vector<OpQuantizer> Result(const float* parameters) const;
  std::vector<float> velocities() const;

 private:
  const ParameterLayout& layout_;
  std::vector<OpQuantizer> quantizers_;
  std::vector<ActivationRange> ranges_;
  QuantizedTrainingOptions options_;
  AlignedFloats quantized_;
};

}  // namespace lathe
