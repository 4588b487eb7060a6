#include "train/graph.h"

#include <stdexcept>

namespace lathe {
namespace {

// Square and without gaps: what the depthwise kernels take.
bool Plain(const OpSpec& spec) { return spec.kernel.square() && spec.stride.square() && spec.dilation == Pair{1, 1}; }

bool IsPointwise(const OpSpec& spec) {
  const Pair one{1, 1};
  return spec.kernel == one && spec.stride == one && spec.padding == Padding{} && spec.groups == 1;
}

std::unique_ptr<Op> MakeCore(const OpSpec& spec, int index, const ParameterLayout& layout) {
  WeightParameters at;
  if (spec.quantizable()) {
    at.weight = layout.Find(index, Role::kWeight)->offset;
    if (spec.bias) at.bias = layout.Find(index, Role::kBias)->offset;
  }
  switch (spec.kind) {
    case OpKind::kConv:
      if (spec.depthwise() && Plain(spec)) return MakeDepthwise(spec, at);
      if (IsPointwise(spec)) return MakePointwise(spec, at);
      return MakeDense(spec, at);
    case OpKind::kLinear:
      return MakePointwise(spec, at);
    case OpKind::kAdd:
      return MakeAdd();
    case OpKind::kAveragePool:
      if (spec.padding != Padding{}) {
        throw std::invalid_argument("operator '" + spec.name + "': the executor does not run padded pooling");
      }
      [[fallthrough]];
    case OpKind::kGlobalAveragePool:
      return MakeAveragePool(spec);
    case OpKind::kBatchNorm:
    case OpKind::kRelu:
    case OpKind::kRelu6:
      return MakeIdentity();
    default:
      throw std::invalid_argument("operator '" + spec.name + "': the executor does not run " + KindName(spec.kind));
  }
}

bool IsTail(OpKind kind) { return kind == OpKind::kBatchNorm || kind == OpKind::kRelu || kind == OpKind::kRelu6; }

// Takes a batch norm or an activation into the tail where it can still follow what is there.
bool Absorb(const OpSpec& spec, int index, const ParameterLayout& layout, Tail& tail) {
  if (!IsTail(spec.kind) || tail.activation != Activation::kNone) return false;
  if (spec.kind != OpKind::kBatchNorm) {
    tail.activation = spec.kind == OpKind::kRelu ? Activation::kRelu : Activation::kRelu6;
    return true;
  }
  if (tail.norm) return false;
  tail.norm = NormParameters{layout.Find(index, Role::kGamma)->offset, layout.Find(index, Role::kBeta)->offset,
                             layout.Find(index, Role::kRunningMean)->offset,
                             layout.Find(index, Role::kRunningVariance)->offset};
  tail.epsilon = spec.epsilon;
  tail.momentum = spec.momentum;
  return true;
}

// For each tensor, the operators that read it (twice where one reads it twice).
std::vector<std::vector<int>> Readers(const std::vector<OpSpec>& specs, std::size_t tensors) {
  std::vector<std::vector<int>> readers(tensors);
  for (int i = 0; i < static_cast<int>(specs.size()); ++i) {
    for (const int tensor : specs[i].inputs) readers[tensor].push_back(i);
  }
  return readers;
}

// Puts an operator that quantizes in front of one's first input: the tensor `made`.
std::unique_ptr<Op> QuantizeInput(Graph& graph, int spec, int input, int made, ActivationRange* range) {
  auto op = MakeFakeQuantize(range);
  Tensor &from = graph.tensors[input], &to = graph.tensors[made];
  op->spec = spec;
  op->inputs = {input};
  op->output = made;
  op->in = {&from};
  op->out = &to;
  ++from.readers;
  to.shape = from.shape;
  to.wantsGradient = from.wantsGradient || range->learned;
  return op;
}

}  // namespace

std::unique_ptr<Graph> Graph::Build(const std::vector<OpSpec>& specs, const std::vector<Shape>& inputs,
                                    const ParameterLayout& layout, bool wantInputGradients,
                                    const std::vector<ActivationRange*>& ranges) {
  auto graph = std::make_unique<Graph>();
  const auto shapes = InferShapes(specs, inputs);
  const auto readers = Readers(specs, shapes.size());
  graph->tensors.resize(shapes.size() + ranges.size());  // a quantized copy each at most
  for (std::size_t i = 0; i < shapes.size(); ++i) graph->tensors[i].shape = shapes[i];
  for (int i = 0; i < static_cast<int>(inputs.size()); ++i) {
    graph->externals.push_back(i);
    graph->tensors[i].wantsGradient = wantInputGradients;
  }

  std::vector<bool> merged(specs.size(), false);
  for (int i = 0; i < static_cast<int>(specs.size()); ++i) {
    if (merged[i]) continue;
    const OpSpec& spec = specs[i];
    auto op = MakeCore(spec, i, layout);
    op->spec = i;
    op->inputs = spec.inputs;
    op->output = spec.output;
    if (IsTail(spec.kind)) Absorb(spec, i, layout, op->tail);
    while (readers[op->output].size() == 1) {
      const int next = readers[op->output].front();
      if (!Absorb(specs[next], next, layout, op->tail)) break;
      merged[next] = true;
      op->output = specs[next].output;
    }
    if (!ranges.empty() && ranges[i]) {
      const int made = static_cast<int>(shapes.size()) + i;
      graph->ops.push_back(QuantizeInput(*graph, i, op->inputs[0], made, ranges[i]));
      op->inputs[0] = made;
    }
    for (const int tensor : op->inputs) {
      op->in.push_back(&graph->tensors[tensor]);
      ++graph->tensors[tensor].readers;
    }
    Tensor& out = graph->tensors[op->output];
    out.activation = op->tail.activation;
    if (op->tail.norm) {
      out.norm = std::make_unique<Norm>(out.shape.channels, op->tail.epsilon, op->tail.momentum, *op->tail.norm);
    }
    op->out = &out;
    graph->ops.push_back(std::move(op));
  }
  graph->result = graph->ops.back()->output;
  ++graph->tensors[graph->result].readers;
  return graph;
}

bool Graph::NonNegative(int tensor) const {
  for (const auto& op : ops) {
    if (op->output != tensor) continue;
    if (op->tail.activation != Activation::kNone) return true;
    if (op->tail.norm || !op->passesSign()) return false;
    for (const int input : op->inputs) {
      if (!NonNegative(input)) return false;
    }
    return true;
  }
  return false;  // an input of the network: normalised pixels
}

}  // namespace lathe
