// A network as the executor takes it: a list of operators over numbered tensors, checked, with every tensor's shape.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace lathe {

// Of one image.
struct Shape {
  int height = 0, width = 0, channels = 0;
  std::size_t pixels() const { return static_cast<std::size_t>(height) * width; }
  std::size_t size() const { return pixels() * channels; }
};

enum class OpKind {
  kConv,
  kLinear,
  kBatchNorm,
  kChannelAffine,
  kRelu,
  kRelu6,
  kHardSwish,
  kHardSigmoid,
  kSigmoid,
  kSwish,
  kTanh,
  kLeakyRelu,
  kClip,
  kAdd,
  kMul,
  kConcat,
  kMaxPool,
  kAveragePool,
  kGlobalAveragePool,
  kPad,
  kFlatten,
  kDropout,
  kSoftmax,
};

// The name of a kind in a program.
const char* KindName(OpKind kind);

// Along the height and along the width of an image.
struct Pair {
  int height = 1, width = 1;
  bool square() const { return height == width; }
  bool operator==(const Pair&) const = default;
};

// Rows and columns around an image.
struct Padding {
  int top = 0, left = 0, bottom = 0, right = 0;
  bool operator==(const Padding&) const = default;
};

// An operator reads at most so many tensors.
inline constexpr int kMaxInputs = 64;

// Fields that a kind does not use keep their defaults.
struct OpSpec {
  OpKind kind = OpKind::kRelu;
  std::string name;
  std::vector<int> inputs;  // tensor numbers
  int output = 0;
  int inChannels = 0, outChannels = 0;  // linear: features
  Pair kernel, stride, dilation;
  Padding padding;
  int groups = 1;
  bool bias = false;
  int channels = 0;
  double epsilon = 1e-5, momentum = 0.1;
  double alpha = 0, beta = 0;       // hard sigmoid; leaky ReLU: alpha is the slope
  double minimum = 0, maximum = 0;  // clip
  double value = 0;                 // pad
  double probability = 0;           // dropout
  bool countPadding = false;        // average pooling

  bool quantizable() const { return kind == OpKind::kConv || kind == OpKind::kLinear; }
  bool depthwise() const {
    return kind == OpKind::kConv && groups > 1 && groups == inChannels && groups == outChannels;
  }
};

struct Program {
  Shape input;
  int classes = 0;
  std::vector<OpSpec> ops;
};

// Shapes of the tensors 0..ops.size() of a program with the given external inputs (tensors 0, 1, ... before the ops').
// Throws std::invalid_argument with one sentence that names the operator.
std::vector<Shape> InferShapes(const std::vector<OpSpec>& ops, const std::vector<Shape>& inputs);

// The whole check of a trainable program: shapes, every tensor used, logits of (1, 1, classes) at the end.
std::vector<Shape> CheckProgram(const Program& program);

}  // namespace lathe
