#include "train/graph.h"

#include <algorithm>

namespace lathe {
namespace {

bool IsPointwise(const OpSpec& spec) {
  const Pair one{1, 1};
  return spec.kernel == one && spec.stride == one && spec.padding == Padding{} && spec.groups == 1;
}

std::unique_ptr<Op> MakeCore(const OpSpec& spec, int index, const ParameterLayout& layout, bool isGate) {
  WeightParameters at;
  if (spec.quantizable()) {
    at.weight = layout.Find(index, Role::kWeight)->offset;
    if (spec.bias) at.bias = layout.Find(index, Role::kBias)->offset;
  }
  switch (spec.kind) {
    case OpKind::kConv:
      if (spec.depthwise()) return MakeDepthwise(spec, at);
      if (IsPointwise(spec)) return MakePointwise(spec, at);
      return MakeDense(spec, at);
    case OpKind::kLinear:
      return MakePointwise(spec, at);
    case OpKind::kChannelAffine:
      return MakeChannelAffine(spec,
                               {layout.Find(index, Role::kScale)->offset, layout.Find(index, Role::kShift)->offset});
    case OpKind::kAdd:
      return MakeAdd();
    case OpKind::kMul:
      return isGate ? MakeGate() : MakeMultiply();
    case OpKind::kConcat:
      return MakeConcat();
    case OpKind::kMaxPool:
    case OpKind::kAveragePool:
      return MakePool(spec);
    case OpKind::kGlobalAveragePool:
      return MakeGlobalPool();
    case OpKind::kPad:
      return MakePad(spec);
    case OpKind::kFlatten:
      return MakeFlatten();
    case OpKind::kDropout:
      return MakeDropout(spec);
    case OpKind::kSoftmax:
      return MakeSoftmax(spec);
    case OpKind::kBatchNorm:
    case OpKind::kRelu:
    case OpKind::kRelu6:
    case OpKind::kHardSwish:
    case OpKind::kHardSigmoid:
    case OpKind::kSigmoid:
    case OpKind::kSwish:
    case OpKind::kTanh:
    case OpKind::kLeakyRelu:
    case OpKind::kClip:
      return MakeIdentity();
  }
  return nullptr;
}

Activation ToActivation(OpKind kind) {
  switch (kind) {
    case OpKind::kRelu:
      return Activation::kRelu;
    case OpKind::kRelu6:
      return Activation::kRelu6;
    case OpKind::kHardSwish:
      return Activation::kHardSwish;
    case OpKind::kHardSigmoid:
      return Activation::kHardSigmoid;
    case OpKind::kSigmoid:
      return Activation::kSigmoid;
    case OpKind::kSwish:
      return Activation::kSwish;
    case OpKind::kTanh:
      return Activation::kTanh;
    case OpKind::kLeakyRelu:
      return Activation::kLeakyRelu;
    case OpKind::kClip:
      return Activation::kClip;
    default:
      return Activation::kNone;
  }
}

bool IsTail(OpKind kind) { return kind == OpKind::kBatchNorm || ToActivation(kind) != Activation::kNone; }

// Takes a batch norm or an activation into the tail where it can still follow what is there.
bool Absorb(const OpSpec& spec, int index, const ParameterLayout& layout, Tail& tail) {
  if (!IsTail(spec.kind) || tail.activation != Activation::kNone) return false;
  if (spec.kind != OpKind::kBatchNorm) {
    const bool clip = spec.kind == OpKind::kClip;
    tail.activation = ToActivation(spec.kind);
    tail.alpha = static_cast<float>(clip ? spec.minimum : spec.alpha);
    tail.beta = static_cast<float>(clip ? spec.maximum : spec.beta);
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
                                    const std::vector<ActivationRange*>& ranges, const std::vector<bool>& kept) {
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
    const bool isGate = spec.kind == OpKind::kMul && shapes[spec.inputs[1]].size() != shapes[spec.inputs[0]].size();
    auto op = MakeCore(spec, i, layout, isGate);
    op->spec = i;
    op->inputs = spec.inputs;
    op->output = spec.output;
    if (IsTail(spec.kind)) Absorb(spec, i, layout, op->tail);
    while (readers[op->output].size() == 1 && !(!kept.empty() && kept[op->output])) {
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
    out.alpha = op->tail.alpha;
    out.beta = op->tail.beta;
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

namespace {

// Whether an activation's values are never negative: whatever it reads, or only if that is not.
bool IsNeverNegative(const Tail& tail) {
  switch (tail.activation) {
    case Activation::kRelu:
    case Activation::kRelu6:
    case Activation::kSigmoid:
    case Activation::kHardSigmoid:
      return true;
    case Activation::kClip:
      return tail.alpha >= 0;
    default:
      return false;
  }
}
bool PassesSign(const Tail& tail) { return tail.activation != Activation::kClip || tail.beta >= 0; }

}  // namespace

bool Graph::NonNegative(int tensor) const {
  std::vector<bool> never(tensors.size(), false);  // an input of the network is normalised pixels
  for (const auto& op : ops) {
    bool core = op->neverNegative();
    if (!core && op->passesSign()) {
      core = std::all_of(op->inputs.begin(), op->inputs.end(), [&](int input) { return never[input]; });
    }
    never[op->output] = IsNeverNegative(op->tail) || (core && !op->tail.norm && PassesSign(op->tail));
  }
  return never[tensor];
}

}  // namespace lathe
