// What a model's calls are asked, and what they answer. Plain structs: the binding fills and reads them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "quantize/thresholds.h"
#include "quantize/weights.h"
#include "train/dataset.h"
#include "train/quantized_training.h"

namespace lathe {

struct Progress {
  std::size_t done = 0, total = 0;  // steps of training, images of evaluation
  double meanLoss = 0, accuracy = 0;
};

// How a call hears of its caller while it runs.
struct Watch {
  const std::atomic<bool>* cancelled = nullptr;     // null: never
  std::function<void(const Progress&)> onProgress;  // from the call's thread, as often as there is news; may be empty
  bool stop() const { return cancelled && cancelled->load(std::memory_order_relaxed); }
};

enum class OptimizerKind { kSgd, kAdam };

struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::kSgd;
  float momentum = 0;  // of SGD
  bool nesterov = false;
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;  // of Adam
  float weightDecay = 0;
  bool decayAll = false;   // else convolution and linear weights alone
  float clipNorm = 0;      // the gradient is scaled down to this Euclidean norm; 0: left alone
  bool keepZeros = false;  // convolution and linear weights that are zero get no gradient, so that they stay zero
};

struct TrainJob {
  const Kernels* kernels = &ActiveKernels();  // those in use when the call was made
  const Dataset* dataset = nullptr;
  const std::uint32_t* order = nullptr;  // (steps, batchSize) image numbers
  const float* learningRates = nullptr;  // (steps)
  std::size_t steps = 0;
  int batchSize = 1;
  OptimizerSpec optimizer;
  float labelSmoothing = 0;
  Augmentation augmentation;
  // Of everything drawn while training: augmentation, dropout. A draw depends on it and on the step's own number.
  std::uint64_t seed = 0;
  std::uint64_t firstStep = 0;  // steps that this training has behind it, as many as the optimiser's state
  // One a quantizable operator, in program order; empty: float. With them the velocities of their ranges, or none.
  std::vector<OpQuantizer> quantizers;
  std::vector<float> rangeVelocities;
  QuantizedTrainingOptions quantizedTraining;
  Watch watch;
};
struct TrainResult {
  std::size_t stepsDone = 0;
  bool cancelled = false;
  std::vector<float> losses;           // (stepsDone)
  std::vector<std::uint32_t> correct;  // (stepsDone)
  std::vector<float> gradientNorms;    // (stepsDone), before they were clipped
  // Of a quantized training: thresholds, ranges and centroids as they stand behind the last step.
  std::vector<OpQuantizer> quantizers;
  std::vector<float> rangeVelocities;
};

struct EvaluateJob {
  const Kernels* kernels = &ActiveKernels();  // those in use when the call was made
  const Dataset* dataset = nullptr;
  const std::uint32_t* indices = nullptr;
  std::size_t count = 0;
  int batchSize = 1;
  bool wantLogits = false;
  std::vector<OpQuantizer> quantizers;  // one a quantizable operator, in program order; empty: float
  bool integer = false;                 // on codes, with 32-bit sums, instead of on the floats that stand for them
  // Images whose statistics batch norm uses instead of its running ones; none: the running ones.
  const Dataset* statisticsDataset = nullptr;
  const std::uint32_t* statisticsIndices = nullptr;
  std::size_t statisticsCount = 0;
  bool wantParameters = false;  // with those statistics as the running ones
  Watch watch;
};
struct EvaluateResult {
  bool cancelled = false;
  std::size_t count = 0;  // images that were finished
  std::size_t correct = 0;
  std::size_t correctTop5 = 0;
  double meanLoss = 0;
  std::vector<float> logits;      // (count, classes) where wanted
  std::vector<float> parameters;  // the flat array, where wanted
};

// A batch of given values through the network as inference runs it.
struct ForwardJob {
  const Kernels* kernels = &ActiveKernels();  // those in use when the call was made
  std::vector<float> inputs;                  // (batch, H, W, C)
  int batch = 0;
  std::vector<int> tensors;  // whose values are wanted beside the logits
  Watch watch;
};
struct ForwardResult {
  std::vector<float> logits;               // (batch, classes)
  std::vector<std::vector<float>> values;  // of `tensors`, (batch, H, W, C) each
};

// Bytes that a model holds at most, its parameters included.
struct MemoryNeed {
  std::size_t training = 0, inference = 0;
};

struct CalibrateJob {
  const Kernels* kernels = &ActiveKernels();  // those in use when the call was made
  const Dataset* dataset = nullptr;
  const std::uint32_t* indices = nullptr;
  std::size_t count = 0;
  int batchSize = 1;
  ThresholdOptions thresholds;
  bool perChannel = false;  // thresholds of each output channel's weights as well
  Watch watch;
};
// What pruning asks: second moments of what enters some operators (convolutions of one group, linear layers).
struct MomentsJob {
  const Kernels* kernels = &ActiveKernels();  // those in use when the call was made
  const Dataset* dataset = nullptr;
  const std::uint32_t* indices = nullptr;
  std::size_t count = 0;
  int samples = 1;         // output positions of each image
  std::uint64_t seed = 0;  // of which ones
  std::vector<int> ops;    // of the program
  Watch watch;
};
struct ClusterJob {
  std::vector<int> bits;  // one a quantizable operator; 0: no codebook
  int iterations = 50;
  bool keepZeros = false;
  const double* uniforms = nullptr;  // (operators, 256) in [0, 1)
  Watch watch;
};
// Tables have one entry for each of 0..8 bits; entry 0 is 0.
struct Calibration {
  std::string op;
  bool isSigned = false;
  float minimum = 0, maximum = 0;
  float activationThresholds[9] = {};
  float weightThresholds[9] = {};
  std::vector<float> channelThresholds;  // (9, out channels) where wanted
};

}  // namespace lathe
