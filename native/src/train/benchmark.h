// Timings of what runs in a search, each repeat by itself and without JavaScript in between: for bench/.
#pragma once

#include <cstddef>
#include <vector>

#include "train/program.h"

namespace lathe {

enum class BenchmarkPass {
  kInfer,            // as in evaluation: packed constants, affine epilogue
  kForward,          // as in training: weights are packed anew each time
  kBackward,         // gradients of input and weights
  kBackwardWeights,  // gradients of the weights alone, as a network's first layer needs them
};

// One operator with one input of shape `shape` an image. Milliseconds of each repeat, after a warm-up.
std::vector<double> BenchmarkOperator(const OpSpec& op, int batch, Shape shape, BenchmarkPass pass, int repeats);

// A whole network's evaluation of `batch` images, weights packed beforehand: in float, or in integers with 8 bits
// everywhere.
std::vector<double> BenchmarkInference(const Program& program, int batch, int repeats);
std::vector<double> BenchmarkInteger(const Program& program, int batch, int repeats);

// Training steps on random images: forward, loss, backward, SGD.
std::vector<double> BenchmarkTraining(const Program& program, int batch, int repeats);

// What the machine gives at best to the threads of the pool.
struct Roofs {
  double fmaGflops = 0;          // multiply-adds count twice
  double memoryGbPerSecond = 0;  // a = b + s * c over arrays far larger than any cache; 3 x 4 bytes an element
};
Roofs MeasureRoofs();

}  // namespace lathe
