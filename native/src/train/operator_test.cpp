#include "train/operator_test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "kernels/dropout.h"
#include "kernels/reference.h"
#include "train/inference.h"
#include "train/training.h"

namespace lathe {
namespace {

using Values = std::vector<double>;

// The operator with its inputs numbered from 0 and its sizes checked.
struct Checked {
  OpSpec op;
  std::vector<Shape> shapes;  // inputs, output
  ParameterLayout layout;
};

Checked Check(const OperatorCall& call) {
  OpSpec op = call.op;
  const int inputs = static_cast<int>(call.shapes.size());
  op.inputs.clear();
  for (int i = 0; i < inputs; ++i) op.inputs.push_back(i);
  op.output = inputs;
  auto shapes = InferShapes({op}, call.shapes);
  if (call.inputs.size() != call.shapes.size()) throw std::invalid_argument("wrong number of inputs");
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    if (call.inputs[i].size() != call.shapes[i].size() * call.batch) {
      throw std::invalid_argument("an input has the wrong length");
    }
  }
  if (!call.dOutput.empty() && call.dOutput.size() != shapes.back().size() * call.batch) {
    throw std::invalid_argument("dOutput has the wrong length");
  }
  if (op.kind == OpKind::kSoftmax && (call.training || !call.dOutput.empty())) {
    throw std::invalid_argument("softmax has no backward");
  }
  if (op.kind == OpKind::kBatchNorm && !call.training && !call.dOutput.empty()) {
    throw std::invalid_argument("batch norm's backward needs training: true");
  }
  ParameterLayout layout({op});
  for (const Parameter& p : layout.all()) {
    const auto found = call.parameters.find(RoleName(p.role));
    if (found == call.parameters.end() || found->second.size() != p.length) {
      throw std::invalid_argument(std::string("parameter ") + RoleName(p.role) + " must have " +
                                  std::to_string(p.length) + " values");
    }
  }
  return {op, std::move(shapes), std::move(layout)};
}

Values ToDoubles(const float* from, std::size_t count) { return Values(from, from + count); }

void RunInference(const OperatorCall& call, const Checked& checked, const AlignedFloats& parameters, Values& output) {
  const InferencePass pass(Graph::Build({checked.op}, call.shapes, checked.layout, false), ActiveKernels(),
                           checked.layout, parameters.data(), {});
  for (int first = 0; first < call.batch; first += pass.capacity()) {
    const int images = std::min(pass.capacity(), call.batch - first);
    const float* result = pass.Run(
        images,
        [&](int input, float* to) {
          const std::size_t size = call.shapes[input].size();
          const auto from = call.inputs[input].begin() + first * size;
          std::copy(from, from + images * size, to);
        },
        nullptr);
    output.insert(output.end(), result, result + images * checked.shapes.back().size());
  }
}

}  // namespace

OperatorResult RunFastOperator(const OperatorCall& call) {
  const Checked checked = Check(call);
  OperatorResult result;
  AlignedFloats parameters(checked.layout.size()), gradients(checked.layout.size());
  for (const Parameter& p : checked.layout.all()) {
    const Values& values = call.parameters.at(RoleName(p.role));
    std::copy(values.begin(), values.end(), parameters.data() + p.offset);
  }
  if (!call.training) RunInference(call, checked, parameters, result.output);
  if (!call.training && call.dOutput.empty()) return result;

  TrainingPass pass(Graph::Build({checked.op}, call.shapes, checked.layout, true), ActiveKernels(), call.batch);
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    std::copy(call.inputs[i].begin(), call.inputs[i].end(), pass.input(static_cast<int>(i)));
  }
  pass.Forward(parameters.data(), nullptr, call.seed, call.step);
  if (call.training) result.output = ToDoubles(pass.Result(), checked.shapes.back().size() * call.batch);
  if (!call.dOutput.empty()) {
    std::copy(call.dOutput.begin(), call.dOutput.end(), pass.resultGradient());
    pass.Backward(parameters.data(), gradients.data(), nullptr);
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
      result.dInputs.push_back(ToDoubles(pass.inputGradient(static_cast<int>(i)), call.inputs[i].size()));
    }
    for (const Parameter& p : checked.layout.all()) {
      if (p.trained()) result.dParameters[RoleName(p.role)] = ToDoubles(gradients.data() + p.offset, p.length);
    }
  }
  pass.CommitRunning(parameters.data());
  for (const Parameter& p : checked.layout.all()) {
    if (!p.trained()) result.state[RoleName(p.role)] = ToDoubles(parameters.data() + p.offset, p.length);
  }
  return result;
}

namespace {

void ReferenceConv(const OperatorCall& call, const OpSpec& op, OperatorResult& result) {
  reference::ConvGeometry g;
  g.batch = call.batch;
  g.outChannels = op.outChannels;
  g.height = g.width = 1;
  g.inChannels = op.inChannels;
  if (op.kind == OpKind::kConv) {
    g.height = call.shapes[0].height;
    g.width = call.shapes[0].width;
    g.kernelHeight = op.kernel.height;
    g.kernelWidth = op.kernel.width;
    g.strideHeight = op.stride.height;
    g.strideWidth = op.stride.width;
    g.dilationHeight = op.dilation.height;
    g.dilationWidth = op.dilation.width;
    g.top = op.padding.top;
    g.left = op.padding.left;
    g.bottom = op.padding.bottom;
    g.right = op.padding.right;
    g.groups = op.groups;
  }
  const Values& weight = call.parameters.at("weight");
  result.output = reference::ConvForward(g, call.inputs[0], weight, op.bias ? call.parameters.at("bias") : Values{});
  if (call.dOutput.empty()) return;
  auto gradients = reference::ConvBackward(g, call.inputs[0], weight, call.dOutput);
  result.dInputs = {std::move(gradients.dx)};
  result.dParameters["weight"] = std::move(gradients.dw);
  if (op.bias) result.dParameters["bias"] = std::move(gradients.dBias);
}

void ReferenceNorm(const OperatorCall& call, const OpSpec& op, OperatorResult& result) {
  const Values& x = call.inputs[0];
  const Values &gamma = call.parameters.at("gamma"), &beta = call.parameters.at("beta");
  reference::NormStatistics<double> running{call.parameters.at("runningMean"), call.parameters.at("runningVariance")};
  if (!call.training) {
    result.output = reference::NormForward(x, running, gamma, beta, op.epsilon);
    return;
  }
  const auto batch = reference::BatchStatistics(x, op.channels);
  result.output = reference::NormForward(x, batch, gamma, beta, op.epsilon);
  reference::UpdateRunning(batch, x.size() / op.channels, op.momentum, running);
  result.state["runningMean"] = running.mean;
  result.state["runningVariance"] = running.variance;
  if (call.dOutput.empty()) return;
  auto gradients = reference::NormBackward(x, batch, gamma, op.epsilon, call.dOutput);
  result.dInputs = {std::move(gradients.dx)};
  result.dParameters["gamma"] = std::move(gradients.dGamma);
  result.dParameters["beta"] = std::move(gradients.dBeta);
}

void ReferencePool(const OperatorCall& call, const OpSpec& op, OperatorResult& result) {
  const Shape& x = call.shapes[0];
  reference::PoolGeometry g{call.batch, x.height, x.width, x.channels};
  if (op.kind == OpKind::kGlobalAveragePool) {
    g.kernelHeight = x.height;
    g.kernelWidth = x.width;
  } else {
    g.kernelHeight = op.kernel.height;
    g.kernelWidth = op.kernel.width;
    g.strideHeight = op.stride.height;
    g.strideWidth = op.stride.width;
    g.top = op.padding.top;
    g.left = op.padding.left;
    g.bottom = op.padding.bottom;
    g.right = op.padding.right;
    g.countPadding = op.countPadding;
  }
  const bool most = op.kind == OpKind::kMaxPool;
  result.output =
      most ? reference::MaxPoolForward(g, call.inputs[0]) : reference::AveragePoolForward(g, call.inputs[0]);
  if (call.dOutput.empty()) return;
  result.dInputs = {most ? reference::MaxPoolBackward(g, call.inputs[0], call.dOutput)
                         : reference::AveragePoolBackward(g, call.dOutput)};
}

reference::ActivationForm FormOf(OpKind kind) {
  switch (kind) {
    case OpKind::kHardSwish:
      return reference::ActivationForm::kHardSwish;
    case OpKind::kHardSigmoid:
      return reference::ActivationForm::kHardSigmoid;
    case OpKind::kSigmoid:
      return reference::ActivationForm::kSigmoid;
    case OpKind::kSwish:
      return reference::ActivationForm::kSwish;
    case OpKind::kTanh:
      return reference::ActivationForm::kTanh;
    case OpKind::kLeakyRelu:
      return reference::ActivationForm::kLeakyRelu;
    default:
      return reference::ActivationForm::kClip;
  }
}

void ReferenceActivation(const OperatorCall& call, const OpSpec& op, OperatorResult& result) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double alpha = op.alpha, beta = op.beta;
  if (op.kind == OpKind::kRelu) alpha = 0, beta = kInfinity;
  if (op.kind == OpKind::kRelu6) alpha = 0, beta = 6;
  if (op.kind == OpKind::kClip) alpha = op.minimum, beta = op.maximum;
  const auto form = FormOf(op.kind);
  for (const double x : call.inputs[0]) result.output.push_back(reference::Activate(form, x, alpha, beta));
  if (call.dOutput.empty()) return;
  result.dInputs.emplace_back();
  for (std::size_t i = 0; i < call.dOutput.size(); ++i) {
    result.dInputs[0].push_back(call.dOutput[i] * reference::ActivationSlope(form, call.inputs[0][i], alpha, beta));
  }
}

// Calls visit(index in the input, index in the output) for every element that an operator moves.
template <typename Visit>
void ForMoves(const OperatorCall& call, const OpSpec& op, std::size_t input, const Shape& out, Visit visit) {
  const Shape& x = call.shapes[input];
  int channel = 0;  // of the output, at the input's first one
  for (std::size_t i = 0; i < input && op.kind == OpKind::kConcat; ++i) channel += call.shapes[i].channels;
  const bool gate = op.kind == OpKind::kMul && x.size() != out.size();
  for (std::size_t n = 0; n < static_cast<std::size_t>(call.batch); ++n) {
    if (gate) {
      for (std::size_t i = 0; i < out.size(); ++i) visit(n * x.size() + i % x.channels, n * out.size() + i);
      continue;
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t pixel = i / x.channels, c = i % x.channels;
      const auto row = static_cast<std::ptrdiff_t>(pixel / x.width) + op.padding.top;
      const auto column = static_cast<std::ptrdiff_t>(pixel % x.width) + op.padding.left;
      const bool cut = row < 0 || row >= out.height || column < 0 || column >= out.width;
      if (op.kind == OpKind::kPad && cut) continue;
      const std::size_t to = op.kind == OpKind::kFlatten
                                 ? i
                                 : (static_cast<std::size_t>(row) * out.width + column) * out.channels + channel + c;
      visit(n * x.size() + i, n * out.size() + to);
    }
  }
}

// Operators that do no more than move, add or multiply values: for each output element, the input elements it is made
// of.
void ReferenceMove(const OperatorCall& call, const OpSpec& op, const Shape& out, OperatorResult& result) {
  const std::size_t size = out.size() * call.batch;
  const bool product = op.kind == OpKind::kMul;
  result.output.assign(size, product ? 1.0 : op.kind == OpKind::kPad ? op.value : 0.0);
  const auto visit = [&](auto each) {
    for (std::size_t input = 0; input < call.inputs.size(); ++input) {
      ForMoves(call, op, input, out, [&](std::size_t from, std::size_t to) { each(input, from, to); });
    }
  };
  if (op.kind == OpKind::kPad) visit([&](std::size_t, std::size_t, std::size_t to) { result.output[to] = 0; });
  visit([&](std::size_t input, std::size_t from, std::size_t to) {
    const double x = call.inputs[input][from];
    result.output[to] = product ? result.output[to] * x : result.output[to] + x;
  });
  if (call.dOutput.empty()) return;
  for (const Values& x : call.inputs) result.dInputs.emplace_back(x.size());
  visit([&](std::size_t input, std::size_t from, std::size_t to) {
    double slope = 1;
    if (product) {
      const Values& other = call.inputs[1 - input];
      std::size_t at = to;  // where the other input is as large as the output
      if (other.size() != size) at = to / out.size() * out.channels + to % out.channels;
      slope = other[at];
    }
    result.dInputs[input][from] += call.dOutput[to] * slope;
  });
}

void ReferenceChannelAffine(const OperatorCall& call, const OpSpec& op, OperatorResult& result) {
  const Values &scale = call.parameters.at("scale"), &shift = call.parameters.at("shift");
  result.state = {{"scale", scale}, {"shift", shift}};
  result.output = call.inputs[0];
  for (std::size_t i = 0; i < result.output.size(); ++i) {
    result.output[i] = result.output[i] * scale[i % op.channels] + shift[i % op.channels];
  }
  if (call.dOutput.empty()) return;
  result.dInputs = {call.dOutput};
  for (std::size_t i = 0; i < call.dOutput.size(); ++i) result.dInputs[0][i] *= scale[i % op.channels];
}

void ReferenceDropout(const OperatorCall& call, const OpSpec& op, OperatorResult& result) {
  const std::uint64_t key = DropoutKey(call.seed, call.step, 0);
  const auto factor = [&](std::size_t i) {
    if (!call.training) return 1.0;
    const bool dropped = DropoutDraw(key, static_cast<std::uint32_t>(i)) < DropoutThreshold(op.probability);
    return dropped ? 0.0 : 1.0 / (1.0 - op.probability);
  };
  result.output = call.inputs[0];
  for (std::size_t i = 0; i < result.output.size(); ++i) result.output[i] *= factor(i);
  if (call.dOutput.empty()) return;
  result.dInputs = {call.dOutput};
  for (std::size_t i = 0; i < call.dOutput.size(); ++i) result.dInputs[0][i] *= factor(i);
}

}  // namespace

OperatorResult RunReferenceOperator(const OperatorCall& call) {
  const Checked checked = Check(call);
  const OpSpec& op = checked.op;
  OperatorResult result;
  switch (op.kind) {
    case OpKind::kConv:
    case OpKind::kLinear:
      ReferenceConv(call, op, result);
      break;
    case OpKind::kBatchNorm:
      ReferenceNorm(call, op, result);
      break;
    case OpKind::kChannelAffine:
      ReferenceChannelAffine(call, op, result);
      break;
    case OpKind::kRelu:
    case OpKind::kRelu6:
    case OpKind::kHardSwish:
    case OpKind::kHardSigmoid:
    case OpKind::kSigmoid:
    case OpKind::kSwish:
    case OpKind::kTanh:
    case OpKind::kLeakyRelu:
    case OpKind::kClip:
      ReferenceActivation(call, op, result);
      break;
    case OpKind::kAdd:
    case OpKind::kMul:
    case OpKind::kConcat:
    case OpKind::kPad:
    case OpKind::kFlatten:
      ReferenceMove(call, op, checked.shapes.back(), result);
      break;
    case OpKind::kMaxPool:
    case OpKind::kAveragePool:
    case OpKind::kGlobalAveragePool:
      ReferencePool(call, op, result);
      break;
    case OpKind::kDropout:
      ReferenceDropout(call, op, result);
      break;
    case OpKind::kSoftmax:
      result.output = reference::Softmax(call.inputs[0], checked.shapes.back().channels);
      break;
  }
  return result;
}

}  // namespace lathe
