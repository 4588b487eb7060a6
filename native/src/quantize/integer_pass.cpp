#include "quantize/integer_pass.h"

#include <algorithm>
#include <stdexcept>

#include "core/memory_plan.h"

namespace lathe {
namespace {

constexpr std::size_t kCacheFloats = 96 * 1024;  // as InferencePass
constexpr int kMaxCapacity = 16;

std::size_t FloatsForCodes(std::size_t codes) { return (codes + sizeof(float) - 1) / sizeof(float); }

}  // namespace

IntegerPass::IntegerPass(const InferencePass& pass, const std::vector<OpSpec>& specs, const ParameterLayout& layout,
                         const float* parameters, const IntegerKernels& kernels)
    : pass_(pass), kernels_(kernels) {
  const Graph& graph = pass.graph();
  bool any = false;
  for (std::size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = *graph.ops[i];
    const OpQuantizer& quantizer = pass.quantizer(i);
    layers_.push_back(nullptr);
    if (!quantizer.quantizesWeights() || quantizer.activation.bits == 0) continue;
    const Parameter* weight = layout.Find(op.spec, Role::kWeight);
    layers_[i] = std::make_unique<IntegerLayer>(specs[op.spec], op, quantizer, parameters + weight->offset,
                                                pass.kernels(), kernels);
    any = true;
  }
  if (!any)
    throw std::invalid_argument("integer arithmetic needs an operator with weight and activation bits, found none");

  // Bytes between two layers; whoever else reads a tensor needs its values.
  stored_.assign(graph.tensors.size(), nullptr);
  for (std::size_t i = 0; i < graph.ops.size(); ++i) {
    if (!layers_[i]) continue;
    const int tensor = graph.ops[i]->inputs[0];
    const bool made = std::any_of(graph.ops.begin(), graph.ops.end(), [&](const auto& op) {
      return op->output == tensor && layers_[&op - graph.ops.data()] != nullptr;
    });
    if (made && graph.tensors[tensor].readers == 1) stored_[tensor] = &layers_[i]->inputCode();
  }
  PlanMemory();
}

void IntegerPass::PlanMemory() {
  const Graph& graph = pass_.graph();
  const int count = static_cast<int>(graph.ops.size());
  std::vector<int> made(graph.tensors.size(), 0), lastRead(graph.tensors.size(), 0);
  std::size_t mostCodes = 0, mostQuantized = 0;
  for (int i = 0; i < count; ++i) {
    made[graph.ops[i]->output] = lastRead[graph.ops[i]->output] = i + 1;
    for (const int tensor : graph.ops[i]->inputs) lastRead[tensor] = i + 1;
    std::size_t& most = layers_[i] ? mostCodes : mostQuantized;
    if (pass_.quantizer(i).activation.bits > 0) most = std::max(most, graph.ops[i]->in[0]->shape.size());
  }
  lastRead[graph.result] = count + 1;
  const auto plan = [&](int images) {
    MemoryPlan memory;
    std::vector<int> buffers(graph.tensors.size(), -1);
    for (std::size_t i = 0; i < graph.tensors.size(); ++i) {
      if (graph.tensors[i].readers == 0) continue;
      const std::size_t values = graph.tensors[i].shape.size() * images;
      buffers[i] = memory.Add(stored_[i] ? FloatsForCodes(values) : values, made[i], lastRead[i]);
    }
    memory.Solve();
    offsets_.assign(graph.tensors.size(), 0);
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      if (buffers[i] >= 0) offsets_[i] = memory.offset(buffers[i]);
    }
    quantizedOffset_ = memory.total();
    memory_ = memory.total() + std::max(FloatsForCodes(mostCodes * images), mostQuantized * images) + kMarginFloats;
  };
  plan(1);  // to see how many images fit
  capacity_ = std::clamp(static_cast<int>(kCacheFloats / memory_), 1, kMaxCapacity);
  plan(capacity_);
}

const std::uint8_t* IntegerPass::InputCodes(std::size_t op, int images, float* base) const {
  const Op& reader = *pass_.graph().ops[op];
  const int tensor = reader.inputs[0];
  if (stored_[tensor]) return reinterpret_cast<const std::uint8_t*>(base + offsets_[tensor]);
  auto* codes = reinterpret_cast<std::uint8_t*>(base + quantizedOffset_);
  kernels_.encode(base + offsets_[tensor], reader.in[0]->shape.size() * images, layers_[op]->inputCode(), codes);
  return codes;
}

const float* IntegerPass::Run(int images, FunctionRef<void(int, float*)> fill,
                              const std::atomic<bool>* cancelled) const {
  thread_local AlignedFloats memory;
  if (memory.size() < memory_) memory = AlignedFloats(memory_);
  float* base = memory.data();
  const Graph& graph = pass_.graph();
  for (int i = 0; i < static_cast<int>(graph.externals.size()); ++i) fill(i, base + offsets_[graph.externals[i]]);
  for (std::size_t i = 0; i < graph.ops.size(); ++i) {
    if (cancelled && cancelled->load(std::memory_order_relaxed)) return nullptr;
    const Op& op = *graph.ops[i];
    float* output = base + offsets_[op.output];
    if (!layers_[i]) {
      InferContext context{pass_.kernels(), images, output};
      for (std::size_t j = 0; j < op.inputs.size(); ++j) context.inputs[j] = base + offsets_[op.inputs[j]];
      pass_.RunOp(i, context, base + quantizedOffset_);
      continue;
    }
    const CodeArgs* code = stored_[op.output];
    layers_[i]->Run(pass_.kernels(), images, InputCodes(i, images, base),
                    {code ? nullptr : output, code ? reinterpret_cast<std::uint8_t*>(output) : nullptr, code});
  }
  return base + offsets_[graph.result];
}

}  // namespace lathe
