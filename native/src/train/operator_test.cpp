#include "train/operator_test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

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
  const int inputs = op.kind == OpKind::kAdd ? 2 : 1;
  op.inputs.clear();
  for (int i = 0; i < inputs; ++i) op.inputs.push_back(i);
  op.output = inputs;
  auto shapes = InferShapes({op}, std::vector<Shape>(inputs, call.shape));
  if (call.inputs.size() != static_cast<std::size_t>(inputs)) throw std::invalid_argument("wrong number of inputs");
  for (const Values& x : call.inputs) {
    if (x.size() != call.shape.size() * call.batch) throw std::invalid_argument("an input has the wrong length");
  }
  if (!call.dOutput.empty() && call.dOutput.size() != shapes.back().size() * call.batch) {
    throw std::invalid_argument("dOutput has the wrong length");
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
  const std::vector<Shape> inputs(call.inputs.size(), call.shape);
  const InferencePass pass(Graph::Build({checked.op}, inputs, checked.layout, false), ActiveKernels(), checked.layout,
                           parameters.data(), {});
  for (int first = 0; first < call.batch; first += pass.capacity()) {
    const int images = std::min(pass.capacity(), call.batch - first);
    const float* result = pass.Run(
        images,
        [&](int input, float* to) {
          const auto from = call.inputs[input].begin() + first * call.shape.size();
          std::copy(from, from + images * call.shape.size(), to);
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

  const std::vector<Shape> inputs(call.inputs.size(), call.shape);
  TrainingPass pass(Graph::Build({checked.op}, inputs, checked.layout, true), ActiveKernels(), call.batch);
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    std::copy(call.inputs[i].begin(), call.inputs[i].end(), pass.input(static_cast<int>(i)));
  }
  pass.Forward(parameters.data(), nullptr);
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
    g.height = call.shape.height;
    g.width = call.shape.width;
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
  reference::PoolGeometry g{call.batch, call.shape.height, call.shape.width, call.shape.channels};
  const bool global = op.kind == OpKind::kGlobalAveragePool;
  g.kernelHeight = global ? call.shape.height : op.kernel.height;
  g.kernelWidth = global ? call.shape.width : op.kernel.width;
  g.stride = global ? 1 : op.stride.height;
  result.output = reference::AveragePoolForward(g, call.inputs[0]);
  if (!call.dOutput.empty()) result.dInputs = {reference::AveragePoolBackward(g, call.dOutput)};
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
    case OpKind::kRelu:
    case OpKind::kRelu6: {
      const double ceiling = op.kind == OpKind::kRelu6 ? 6.0 : std::numeric_limits<double>::infinity();
      result.output = reference::ReluForward(call.inputs[0], ceiling);
      if (!call.dOutput.empty()) result.dInputs = {reference::ReluBackward(call.inputs[0], ceiling, call.dOutput)};
      break;
    }
    case OpKind::kAdd:
      result.output = call.inputs[0];
      for (std::size_t i = 0; i < result.output.size(); ++i) result.output[i] += call.inputs[1][i];
      if (!call.dOutput.empty()) result.dInputs = {call.dOutput, call.dOutput};
      break;
    case OpKind::kAveragePool:
    case OpKind::kGlobalAveragePool:
      ReferencePool(call, op, result);
      break;
    default:
      throw std::invalid_argument(std::string("no slow twin of ") + KindName(op.kind));
  }
  return result;
}

}  // namespace lathe
