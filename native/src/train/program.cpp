#include "train/program.h"

#include <cmath>
#include <set>
#include <stdexcept>

namespace lathe {
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

int Outputs(const OpSpec& op, const char* what, int size) {
  const int room = size + 2 * op.padding - op.kernel;
  if (room < 0) {
    Fail(op, "kernel " + std::to_string(op.kernel) + " does not fit into the padded input's " + what + " of " +
                 std::to_string(size + 2 * op.padding));
  }
  return room / op.stride + 1;
}

Shape OutputShape(const OpSpec& op, const std::vector<Shape>& in) {
  const Shape& x = in[0];
  switch (op.kind) {
    case OpKind::kConv:
      ExpectAtLeast(op, "outChannels", op.outChannels, 1);
      ExpectAtLeast(op, "kernel", op.kernel, 1);
      ExpectAtLeast(op, "stride", op.stride, 1);
      ExpectAtLeast(op, "padding", op.padding, 0);
      Expect(op, "inChannels", op.inChannels, x.channels);
      if (op.groups != 1 && !(op.groups == op.inChannels && op.groups == op.outChannels)) {
        Fail(op, "groups must be 1, or inChannels = outChannels (depthwise), found " + std::to_string(op.groups));
      }
      ExpectFits(op, "its weight", 1.0 * op.outChannels * op.kernel * op.kernel * op.inChannels / op.groups);
      ExpectFits(op, "its padded input", (x.height + 2.0 * op.padding) * (x.width + 2.0 * op.padding) * x.channels);
      return {Outputs(op, "height", x.height), Outputs(op, "width", x.width), op.outChannels};
    case OpKind::kBatchNorm:
      Expect(op, "channels", op.channels, x.channels);
      if (!(op.epsilon > 0 && std::isfinite(op.epsilon))) Fail(op, "epsilon must be positive and finite");
      if (!(op.momentum >= 0 && op.momentum <= 1)) Fail(op, "momentum must be 0..1");
      return x;
    case OpKind::kRelu:
    case OpKind::kRelu6:
      return x;
    case OpKind::kAdd:
      if (x.height != in[1].height || x.width != in[1].width || x.channels != in[1].channels) {
        Fail(op, "the two inputs differ in shape");
      }
      return x;
    case OpKind::kAveragePool:
      ExpectAtLeast(op, "kernel", op.kernel, 1);
      ExpectAtLeast(op, "stride", op.stride, 1);
      return {Outputs(op, "height", x.height), Outputs(op, "width", x.width), x.channels};
    case OpKind::kGlobalAveragePool:
      return {1, 1, x.channels};
    case OpKind::kLinear:
      ExpectAtLeast(op, "outFeatures", op.outChannels, 1);
      Expect(op, "inFeatures", op.inChannels, static_cast<int>(x.size()));
      ExpectFits(op, "its weight", 1.0 * op.inChannels * op.outChannels);
      return {1, 1, op.outChannels};
  }
  Fail(op, "unknown kind");
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
    const std::size_t arity = op.kind == OpKind::kAdd ? 2 : 1;
    if (op.inputs.size() != arity) Fail(op, "wrong number of inputs");
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
