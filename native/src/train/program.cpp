#include "train/program.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>

#include "core/partition.h"

namespace lathe {

const char* KindName(OpKind kind) {
  switch (kind) {
    case OpKind::kConv:
      return "conv";
    case OpKind::kLinear:
      return "linear";
    case OpKind::kBatchNorm:
      return "batchNorm";
    case OpKind::kChannelAffine:
      return "channelAffine";
    case OpKind::kRelu:
      return "relu";
    case OpKind::kRelu6:
      return "relu6";
    case OpKind::kHardSwish:
      return "hardSwish";
    case OpKind::kHardSigmoid:
      return "hardSigmoid";
    case OpKind::kSigmoid:
      return "sigmoid";
    case OpKind::kSwish:
      return "swish";
    case OpKind::kTanh:
      return "tanh";
    case OpKind::kLeakyRelu:
      return "leakyRelu";
    case OpKind::kClip:
      return "clip";
    case OpKind::kAdd:
      return "add";
    case OpKind::kMul:
      return "mul";
    case OpKind::kConcat:
      return "concat";
    case OpKind::kMaxPool:
      return "maxPool";
    case OpKind::kAveragePool:
      return "averagePool";
    case OpKind::kGlobalAveragePool:
      return "globalAveragePool";
    case OpKind::kPad:
      return "pad";
    case OpKind::kFlatten:
      return "flatten";
    case OpKind::kDropout:
      return "dropout";
    case OpKind::kSoftmax:
      return "softmax";
  }
  return "";
}

namespace {

// Bounds one tensor of one image: 2^28 floats are 1 GiB.
constexpr double kMaxTensorFloats = 268435456.0;

[[noreturn]] void Fail(const OpSpec& op, const std::string& what) {
  throw std::invalid_argument("operator '" + op.name + "': " + what);
}

void Expect(const OpSpec& op, const char* what, int found, int expected) {
  if (found != expected) {
    Fail(op, std::string(what) + " must be " + std::to_string(expected) + ", found " + std::to_string(found));
  }
}

void ExpectAtLeast(const OpSpec& op, const char* what, int found, int least) {
  if (found < least) {
    Fail(op, std::string(what) + " must be at least " + std::to_string(least) + ", found " + std::to_string(found));
  }
}

void ExpectFits(const OpSpec& op, const char* what, double floats) {
  if (floats > kMaxTensorFloats) Fail(op, std::string(what) + " would be too large");
}

int Outputs(const OpSpec& op, const char* what, double size, int kernel, int stride, int dilation) {
  const double span = (kernel - 1.0) * dilation + 1;
  if (size < span) {
    Fail(op, "kernel " + std::to_string(kernel) + " does not fit into the padded input's " + what + " of " +
                 std::to_string(static_cast<long long>(size)));
  }
  return static_cast<int>((size - span) / stride) + 1;
}

void CheckPadding(const OpSpec& op) {
  const Padding& p = op.padding;
  for (const int extent : {p.top, p.left, p.bottom, p.right}) ExpectAtLeast(op, "padding", extent, 0);
}

void ExpectFinite(const OpSpec& op, const char* what, double value) {
  if (!std::isfinite(value)) Fail(op, std::string(what) + " must be finite");
}

// Where a window goes over the padded input.
Shape Slide(const OpSpec& op, const Shape& x, int channels) {
  ExpectAtLeast(op, "kernel", std::min(op.kernel.height, op.kernel.width), 1);
  ExpectAtLeast(op, "stride", std::min(op.stride.height, op.stride.width), 1);
  ExpectAtLeast(op, "dilation", std::min(op.dilation.height, op.dilation.width), 1);
  CheckPadding(op);
  const double height = 1.0 * x.height + op.padding.top + op.padding.bottom;
  const double width = 1.0 * x.width + op.padding.left + op.padding.right;
  ExpectFits(op, "its padded input", height * width * x.channels);
  return {Outputs(op, "height", height, op.kernel.height, op.stride.height, op.dilation.height),
          Outputs(op, "width", width, op.kernel.width, op.stride.width, op.dilation.width), channels};
}

Shape ConvShape(const OpSpec& op, const Shape& x) {
  ExpectAtLeast(op, "outChannels", op.outChannels, 1);
  ExpectAtLeast(op, "groups", op.groups, 1);
  Expect(op, "inChannels", op.inChannels, x.channels);
  if (op.inChannels % op.groups != 0 || op.outChannels % op.groups != 0) {
    Fail(op, "groups must divide both channel counts, found " + std::to_string(op.groups));
  }
  ExpectFits(op, "its weight", 1.0 * op.outChannels * op.kernel.height * op.kernel.width * (op.inChannels / op.groups));
  return Slide(op, x, op.outChannels);
}

Shape PoolShape(const OpSpec& op, const Shape& x) {
  const Shape out = Slide(op, x, x.channels);
  const Padding& p = op.padding;
  if (std::max(p.top, p.bottom) >= op.kernel.height || std::max(p.left, p.right) >= op.kernel.width) {
    Fail(op, "padding must be smaller than the kernel");  // or a window would hold nothing
  }
  return out;
}

bool Same(const Shape& a, const Shape& b) {
  return a.height == b.height && a.width == b.width && a.channels == b.channels;
}

Shape CombinedShape(const OpSpec& op, const std::vector<Shape>& in) {
  Shape out = in[0];
  for (std::size_t i = 1; i < in.size(); ++i) {
    const Shape& x = in[i];
    if (op.kind == OpKind::kConcat) {
      if (x.height != out.height || x.width != out.width) Fail(op, "its inputs differ in height or width");
      ExpectFits(op, "its output", 1.0 * out.pixels() * (1.0 * out.channels + x.channels));
      out.channels += x.channels;
      continue;
    }
    const bool gate = op.kind == OpKind::kMul && x.height == 1 && x.width == 1 && x.channels == out.channels;
    if (!Same(x, out) && !gate) Fail(op, "its inputs differ in shape");
  }
  return out;
}

Shape OutputShape(const OpSpec& op, const std::vector<Shape>& in) {
  const Shape& x = in[0];
  switch (op.kind) {
    case OpKind::kConv:
      return ConvShape(op, x);
    case OpKind::kLinear:
      ExpectAtLeast(op, "outFeatures", op.outChannels, 1);
      Expect(op, "inFeatures", op.inChannels, static_cast<int>(x.size()));
      ExpectFits(op, "its weight", 1.0 * op.inChannels * op.outChannels);
      return {1, 1, op.outChannels};
    case OpKind::kBatchNorm:
      Expect(op, "channels", op.channels, x.channels);
      if (!(op.epsilon > 0 && std::isfinite(op.epsilon))) Fail(op, "epsilon must be positive and finite");
      if (!(op.momentum >= 0 && op.momentum <= 1)) Fail(op, "momentum must be 0..1");
      return x;
    case OpKind::kChannelAffine:
      Expect(op, "channels", op.channels, x.channels);
      return x;
    case OpKind::kHardSigmoid:
    case OpKind::kLeakyRelu:
      ExpectFinite(op, op.kind == OpKind::kLeakyRelu ? "slope" : "alpha", op.alpha);
      ExpectFinite(op, "beta", op.beta);
      return x;
    case OpKind::kClip:
      if (!(op.minimum < op.maximum)) Fail(op, "minimum must be below maximum");
      return x;
    case OpKind::kDropout:
      if (!(op.probability >= 0 && op.probability < 1)) Fail(op, "probability must be at least 0 and below 1");
      return x;
    case OpKind::kRelu:
    case OpKind::kRelu6:
    case OpKind::kHardSwish:
    case OpKind::kSigmoid:
    case OpKind::kSwish:
    case OpKind::kTanh:
    case OpKind::kSoftmax:
      return x;
    case OpKind::kAdd:
    case OpKind::kMul:
    case OpKind::kConcat:
      return CombinedShape(op, in);
    case OpKind::kMaxPool:
    case OpKind::kAveragePool:
      return PoolShape(op, x);
    case OpKind::kGlobalAveragePool:
      return {1, 1, x.channels};
    case OpKind::kPad: {
      ExpectFinite(op, "value", op.value);
      const double height = 1.0 * x.height + op.padding.top + op.padding.bottom;
      const double width = 1.0 * x.width + op.padding.left + op.padding.right;
      ExpectFits(op, "its output", height * width * x.channels);
      if (height < 1 || width < 1) Fail(op, "padding must leave a row and a column");
      return {static_cast<int>(height), static_cast<int>(width), x.channels};
    }
    case OpKind::kFlatten:
      return {1, 1, static_cast<int>(x.size())};
  }
  Fail(op, "unknown kind");
}

// The least and the most tensors that a kind reads.
Range Arity(OpKind kind) {
  switch (kind) {
    case OpKind::kAdd:
    case OpKind::kConcat:
      return {2, kMaxInputs};
    case OpKind::kMul:
      return {2, 2};
    default:
      return {1, 1};
  }
}

}  // namespace

std::vector<Shape> InferShapes(const std::vector<OpSpec>& ops, const std::vector<Shape>& inputs) {
  for (const Shape& s : inputs) {
    if (s.height < 1 || s.width < 1 || s.channels < 1) throw std::invalid_argument("the input shape must be positive");
    if (1.0 * s.height * s.width * s.channels > kMaxTensorFloats) {
      throw std::invalid_argument("the input shape is too large");
    }
  }
  std::vector<Shape> shapes = inputs;
  for (const OpSpec& op : ops) {
    if (op.output != static_cast<int>(shapes.size())) {
      Fail(op, "must write tensor " + std::to_string(shapes.size()) + ", found " + std::to_string(op.output));
    }
    const Range arity = Arity(op.kind);
    const int count = static_cast<int>(op.inputs.size());
    if (count < arity.begin || count > arity.end) Fail(op, "wrong number of inputs");
    std::vector<Shape> in;
    for (const int tensor : op.inputs) {
      if (tensor < 0 || tensor >= static_cast<int>(shapes.size())) {
        Fail(op, "reads tensor " + std::to_string(tensor) + ", which no earlier operator writes");
      }
      in.push_back(shapes[tensor]);
    }
    const Shape out = OutputShape(op, in);
    ExpectFits(op, "its output", 1.0 * out.height * out.width * out.channels);
    shapes.push_back(out);
  }
  return shapes;
}

std::vector<Shape> CheckProgram(const Program& program) {
  if (program.ops.empty()) throw std::invalid_argument("the program has no operators");
  if (program.classes < 2) throw std::invalid_argument("classes must be at least 2");
  const auto shapes = InferShapes(program.ops, {program.input});
  std::vector<bool> used(shapes.size(), false);
  std::set<std::string> names;
  for (const OpSpec& op : program.ops) {
    for (const int tensor : op.inputs) used[tensor] = true;
    if (!names.insert(op.name).second) Fail(op, "its name is used twice");
  }
  for (const OpSpec& op : program.ops) {
    const bool final = &op == &program.ops.back();
    if (!used[op.output] && !final) Fail(op, "its output is never used");
  }
  const Shape& logits = shapes.back();
  if (logits.height != 1 || logits.width != 1 || logits.channels != program.classes) {
    Fail(program.ops.back(), "the last operator must give one value a class: expected " +
                                 std::to_string(program.classes) + ", found " + std::to_string(logits.size()));
  }
  return shapes;
}

}  // namespace lathe
