#include "train/inference.h"

#include <algorithm>
#include <cmath>

#include "core/memory_plan.h"

namespace lathe {
namespace {

// The activations of the images that go through together should stay in a core's second-level cache, beside weights.
constexpr std::size_t kCacheFloats = 96 * 1024;  // 384 KiB
constexpr int kMaxCapacity = 16;                 // so that a batch of 64 still feeds four threads

}  // namespace

InferencePass::InferencePass(std::unique_ptr<Graph> graph, const Kernels& kernels, const ParameterLayout& layout,
                             const float* parameters, const std::vector<OpQuantizer>& quantizers)
    : graph_(std::move(graph)), kernels_(kernels) {
  for (const auto& op : graph_->ops) {
    quantizers_.push_back(quantizers.empty() ? OpQuantizer{} : quantizers[op->spec]);
    PrepareOp(*op, layout, parameters, quantizers_.back());
  }
  PlanMemory();
}

void InferencePass::PrepareOp(Op& op, const ParameterLayout& layout, const float* parameters,
                              const OpQuantizer& quantizer) {
  const int channels = op.out->shape.channels;
  AlignedFloats& scale = scales_.emplace_back(ChannelVectorSize(channels));
  AlignedFloats& shift = shifts_.emplace_back(ChannelVectorSize(channels));
  AlignedFloats& step = steps_.emplace_back(quantizer.codesBoth() ? ChannelVectorSize(channels) : 0);
  const Parameter* bias = layout.Find(op.spec, Role::kBias);
  biases_.push_back(bias ? std::optional(bias->offset) : std::nullopt);
  for (int c = 0; c < channels; ++c) {
    const double b = bias ? parameters[bias->offset + c] : 0.0;
    double factor = 1.0, offset = b;
    if (op.tail.norm) {
      const NormParameters& at = *op.tail.norm;
      factor = parameters[at.gamma + c] / std::sqrt(parameters[at.runningVariance + c] + op.tail.epsilon);
      offset = parameters[at.beta + c] + (b - parameters[at.runningMean + c]) * factor;
    }
    const double own = quantizer.codesBoth() ? StepOf(quantizer, c) : 1.0;
    scale[c] = static_cast<float>(factor * own);
    if (quantizer.codesBoth()) step[c] = static_cast<float>(own);
    shift[c] = static_cast<float>(offset);
  }
  MakePeriodic(scale.data(), channels);
  MakePeriodic(shift.data(), channels);
  if (quantizer.codesBoth()) MakePeriodic(step.data(), channels);

  InferWeights weights;
  if (op.tail.norm || quantizer.codesBoth()) weights.affine.scale = scale.data();
  if (op.tail.norm || bias) weights.affine.shift = shift.data();
  weights.affine.activation = op.tail.activation;
  weights.affine.alpha = op.tail.alpha;
  weights.affine.beta = op.tail.beta;
  weights.parameters = parameters;
  AlignedFloats quantized;
  if (const Parameter* weight = layout.Find(op.spec, Role::kWeight)) {
    weights.weight = parameters + weight->offset;
    if (quantizer.quantizesWeights()) {
      quantized = AlignedFloats(weight->length);
      const auto convert = quantizer.codesBoth() ? EncodeWeights : QuantizeWeights;
      convert(kernels_, quantizer, weights.weight, weight->shape.front(), weight->length, quantized.data());
      weights.weight = quantized.data();
    }
  }
  op.PrepareInfer(kernels_, weights);
}

void InferencePass::PlanMemory() {
  const int count = static_cast<int>(graph_->ops.size());
  std::vector<int> made(graph_->tensors.size(), 0), lastRead(graph_->tensors.size(), 0);
  std::size_t largestShared = 0;
  for (int i = 0; i < count; ++i) {
    made[graph_->ops[i]->output] = i + 1;
    lastRead[graph_->ops[i]->output] = i + 1;
    for (const int tensor : graph_->ops[i]->inputs) {
      lastRead[tensor] = i + 1;
      if (graph_->tensors[tensor].readers > 1)
        largestShared = std::max(largestShared, graph_->tensors[tensor].shape.size());
    }
  }
  lastRead[graph_->result] = count + 1;

  // Planned for one image first, to see how many fit.
  const auto plan = [&](int images) {
    MemoryPlan memory;
    std::vector<int> buffers(graph_->tensors.size(), -1);
    for (std::size_t i = 0; i < graph_->tensors.size(); ++i) {
      if (graph_->tensors[i].readers == 0) continue;
      buffers[i] = memory.Add(graph_->tensors[i].shape.size() * images, made[i], lastRead[i]);
    }
    memory.Solve();
    offsets_.assign(graph_->tensors.size(), 0);
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      if (buffers[i] >= 0) offsets_[i] = memory.offset(buffers[i]);
    }
    quantizedOffset_ = memory.total();
    memory_ = memory.total() + largestShared * images + kMarginFloats;
  };
  plan(1);
  capacity_ = std::clamp(static_cast<int>(kCacheFloats / memory_), 1, kMaxCapacity);
  plan(capacity_);
}

const float* InferencePass::Run(int images, FunctionRef<void(int, float*)> fill, const std::atomic<bool>* cancelled,
                                const Observer* observer, const Observer* after) const {
  thread_local AlignedFloats memory;
  if (memory.size() < memory_) memory = AlignedFloats(memory_);
  float* base = memory.data();
  for (int i = 0; i < static_cast<int>(graph_->externals.size()); ++i) fill(i, base + offsets_[graph_->externals[i]]);
  for (std::size_t i = 0; i < graph_->ops.size(); ++i) {
    if (cancelled && cancelled->load(std::memory_order_relaxed)) return nullptr;
    const Op& op = *graph_->ops[i];
    InferContext context{kernels_, images, base + offsets_[op.output]};
    for (std::size_t j = 0; j < op.inputs.size(); ++j) context.inputs[j] = base + offsets_[op.inputs[j]];
    const std::size_t floats = op.in[0]->shape.size() * images;
    if (observer) (*observer)(op, context.inputs[0], floats);
    // Quantized in place where nobody else reads the values.
    RunOp(i, context, base + (op.in[0]->readers > 1 ? quantizedOffset_ : offsets_[op.inputs[0]]));
    if (after) (*after)(op, context.output, op.out->shape.size() * images);
  }
  return base + offsets_[graph_->result];
}

void InferencePass::RunOp(std::size_t i, InferContext context, float* quantized) const {
  const Op& op = *graph_->ops[i];
  if (quantizers_[i].activation.bits > 0) {
    QuantizeInput(i, context.inputs[0], quantized, op.in[0]->shape.size() * context.images);
    context.inputs[0] = quantized;
  }
  op.Infer(context);
}

void InferencePass::QuantizeInput(std::size_t i, const float* x, float* y, std::size_t count) const {
  const auto quantize = quantizers_[i].codesBoth() ? QuantizeToCodes : Quantize;
  quantize(kernels_, quantizers_[i].activation, x, y, count);
}

}  // namespace lathe
