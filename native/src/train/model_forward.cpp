// Given values through the network, and what a network will need of memory.
#include <algorithm>
#include <stdexcept>

#include "core/thread_pool.h"
#include "train/model.h"

namespace lathe {

ForwardResult Model::Forward(const ForwardJob& job) const {
  std::vector<bool> kept(program_.ops.size() + 1, false);
  for (const int tensor : job.tensors) kept[tensor] = true;
  const InferencePass pass(Graph::Build(program_.ops, {program_.input}, layout_, false, {}, kept), *job.kernels,
                           layout_, parameters_.data(), {});
  const std::size_t imageFloats = program_.input.size();
  const int few = pass.capacity(), classes = program_.classes;
  ForwardResult result;
  result.logits.resize(static_cast<std::size_t>(job.batch) * classes);
  for (const int tensor : job.tensors) {
    result.values.emplace_back(job.batch * pass.graph().tensors[tensor].shape.size());
  }
  ParallelFor((job.batch + few - 1) / few, [&](int chunk) {
    const int first = chunk * few, some = std::min(few, job.batch - first);
    const auto keep = [&](const Op& op, const float* values, std::size_t floats) {
      for (std::size_t i = 0; i < job.tensors.size(); ++i) {
        if (op.output == job.tensors[i]) std::copy_n(values, floats, &result.values[i][first * op.out->shape.size()]);
      }
    };
    const InferencePass::Observer after = keep;
    const float* logits = pass.Run(
        some, [&](int, float* input) { std::copy_n(&job.inputs[first * imageFloats], some * imageFloats, input); },
        job.watch.cancelled, nullptr, &after);
    if (logits) std::copy_n(logits, some * classes, &result.logits[static_cast<std::size_t>(first) * classes]);
  });
  if (job.watch.stop()) throw std::runtime_error("the forward pass was cancelled");
  return result;
}

MemoryNeed Model::PeakMemory(const Kernels& kernels, int batch, OptimizerKind kind) const {
  MemoryNeed need;
  need.training = TrainingBytes(kernels, batch, kind);
  const MemoryCount count;
  const auto pass = MakeInference(kernels, {});
  const std::size_t perThread = pass->floatsPerThread() * sizeof(float) + WorkingBytes(pass->graph(), kernels);
  need.inference = count.bytes() + layout_.size() * sizeof(float) + ThreadCount() * perThread;
  return need;
}

std::size_t Model::WorkingBytes(const Graph& graph, const Kernels& kernels) const {
  std::size_t floats = 0;
  for (const auto& op : graph.ops) floats = std::max(floats, op->ScratchFloats(kernels));
  return floats * sizeof(float);
}

}  // namespace lathe
