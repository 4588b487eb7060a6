#include "train/supernet.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/partition.h"
#include "core/scratch.h"
#include "core/thread_pool.h"
#include "kernels/loss.h"

namespace lathe {
namespace {

void RequireFinite(double value, const char* what, std::uint64_t step) {
  if (std::isfinite(value)) return;
  throw std::runtime_error("training diverged: " + std::string(what) + " is not finite at step " +
                           std::to_string(step) + "; lower the learning rate, warm up longer or clip the gradient");
}

Partition PixelChunks(const Tensor& tensor, int batch) {
  const auto pixels = static_cast<std::int64_t>(batch) * static_cast<std::int64_t>(tensor.shape.pixels());
  return Partition(static_cast<int>(pixels), 16, pixels * tensor.shape.channels * 4);
}

void WantNoGradient(Graph& graph) {
  for (Tensor& tensor : graph.tensors) tensor.wantsGradient = false;
}

// Pixels at once: some 32 KiB.
int BlockPixels(const Tensor& tensor) { return std::max(1, 8192 / tensor.shape.channels); }

}  // namespace

Supernet::Supernet(std::vector<OpSpec> ops)
    : ops_(std::move(ops)), layout_(ops_), parameters_(layout_.size()), optimizer_(layout_) {
  for (int i = 0; i < static_cast<int>(ops_.size()); ++i) {
    if (!opOf_.emplace(ops_[i].name, i).second) throw std::invalid_argument("two operators are named " + ops_[i].name);
  }
  for (const Parameter& p : layout_.all()) {
    const bool one = p.role == Role::kGamma || p.role == Role::kRunningVariance || p.role == Role::kScale;
    if (one) std::fill_n(parameters_.data() + p.offset, p.length, 1.0f);
  }
}

ParameterLayout Supernet::LayoutOf(const std::vector<OpSpec>& ops) const {
  return ParameterLayout(ops, layout_.size(), [this](const OpSpec& op, const Parameter& wanted) {
    const auto found = opOf_.find(op.name);
    const Parameter* own = found == opOf_.end() ? nullptr : layout_.Find(found->second, wanted.role);
    if (!own || own->length != wanted.length) {
      throw std::invalid_argument(op.name + ": the supernet has no such operator with " +
                                  std::to_string(wanted.length) + " values of its " + RoleName(wanted.role));
    }
    return own->offset;
  });
}

TrainResult Supernet::Train(const TrainJob& job, const std::vector<Program>& paths) {
  const Kernels& kernels = *job.kernels;
  optimizer_.Prepare(job.optimizer.kind);
  buffers_.Fit(job.batchSize, paths.at(0).input.size());
  BatchLoader loader(job, buffers_);
  TrainResult result;
  double lossSum = 0, correctSum = 0;
  for (std::size_t step = 0; step < job.steps; ++step) {
    const std::uint64_t number = job.firstStep + step;
    const Program& path = paths[step];
    const ParameterLayout part = LayoutOf(path.ops);
    TrainingPass pass(Graph::Build(path.ops, {path.input}, part, false), kernels, job.batchSize, std::move(memory_));
    const BatchLoader::Batch batch = loader.Next();
    pass.SetInput(0, batch.images);
    float* gradients = optimizer_.gradients().data();
    bool whole = pass.Forward(parameters_.data(), job.watch.cancelled, job.seed, number);
    LossSums sums;
    if (whole) {
      sums = SoftmaxCrossEntropy(pass.Result(), batch.labels, job.batchSize, path.classes, job.batchSize,
                                 job.labelSmoothing, pass.resultGradient());
      RequireFinite(sums.loss, "the loss", number);
      whole = pass.Backward(parameters_.data(), gradients, job.watch.cancelled);
    }
    if (whole) {
      const double norm = optimizer_.GradientNorm(part);
      RequireFinite(norm, "the gradient", number);
      optimizer_.Step(kernels, job.optimizer, job.learningRates[step], number, norm, part, parameters_.data());
      pass.CommitRunning(parameters_.data());
      result.losses.push_back(static_cast<float>(sums.loss / job.batchSize));
      result.correct.push_back(sums.correct);
      result.gradientNorms.push_back(static_cast<float>(norm));
      result.stepsDone = step + 1;
      lossSum += sums.loss / job.batchSize;
      correctSum += sums.correct;
    }
    memory_ = pass.TakeMemory();
    if (!whole) break;
    const double done = static_cast<double>(result.stepsDone);
    if (job.watch.onProgress) {
      job.watch.onProgress({result.stepsDone, job.steps, lossSum / done, correctSum / (done * job.batchSize)});
    }
    if (job.watch.stop()) break;
  }
  result.cancelled = result.stepsDone < job.steps;
  return result;
}

GateResult Supernet::Gates(const GateJob& job) {
  const TrainJob& step = job.step;
  const Program& path = *job.path;
  buffers_.Fit(step.batchSize, path.input.size());
  BatchLoader loader(step, buffers_);
  const ParameterLayout part = LayoutOf(path.ops);
  auto graph = Graph::Build(path.ops, {path.input}, part, false);
  const bool forwardOnly = job.edges.empty();
  if (forwardOnly) WantNoGradient(*graph);
  // Candidates run one after the other, in what the path needs no more when their edge's gradient has arrived.
  std::vector<std::vector<std::unique_ptr<Graph>>> candidates(job.edges.size());
  std::vector<TrainingPass::Room> rooms;
  for (std::size_t i = 0; i < job.edges.size(); ++i) {
    const GateEdge& edge = job.edges[i];
    TrainingPass::Room& room = rooms.emplace_back();
    room.tensor = edge.output;
    for (const auto& ops : edge.others) {
      candidates[i].push_back(Graph::Build(ops, {graph->tensors[edge.input].shape}, LayoutOf(ops), false));
      WantNoGradient(*candidates[i].back());
      room.floats = std::max(room.floats, TrainingPass::PlannedFloats(*candidates[i].back(), step.batchSize));
    }
  }
  GateResult result;
  result.pathBytes = TrainingPass::PlannedFloats(*graph, step.batchSize) * sizeof(float);
  TrainingPass pass(std::move(graph), *step.kernels, step.batchSize, std::move(memory_), rooms);
  result.peakBytes = pass.memoryBytes();
  const BatchLoader::Batch batch = loader.Next();
  pass.SetInput(0, batch.images);
  bool whole = pass.Forward(parameters_.data(), step.watch.cancelled, step.seed, step.firstStep);
  if (whole) {
    const LossSums sums = SoftmaxCrossEntropy(pass.Result(), batch.labels, step.batchSize, path.classes, step.batchSize,
                                              0, pass.resultGradient());
    result.loss = sums.loss / step.batchSize;
    result.correct = sums.correct;
    RequireFinite(result.loss, "the loss", step.firstStep);
  }
  if (whole && !forwardOnly) {
    std::vector<std::vector<double>> gates(job.edges.size());
    const auto& tensors = pass.graph().tensors;
    const auto complete = [&](int tensor) {
      for (std::size_t i = 0; i < job.edges.size(); ++i) {
        const GateEdge& edge = job.edges[i];
        if (edge.output != tensor) continue;
        const Tensor& gradient = tensors[tensor];
        if (edge.active >= 0) gates[i].push_back(Dot(*step.kernels, tensors[edge.active], gradient, step.batchSize));
        for (auto& candidate : candidates[i]) {
          if (step.watch.stop()) return;
          gates[i].push_back(DotOfCandidate(std::move(candidate), pass, tensors[edge.input], gradient, pass.room(i)));
        }
      }
    };
    whole = pass.Backward(parameters_.data(), optimizer_.gradients().data(), step.watch.cancelled, complete);
    for (const auto& of : gates) result.gates.insert(result.gates.end(), of.begin(), of.end());
  }
  memory_ = pass.TakeMemory();
  result.cancelled = !whole || step.watch.stop();
  return result;
}

// The sum over a batch of values times the gradient that arrived at another tensor of the same shape, whose activation
// is none; chunk by chunk, so that its bits do not depend on the threads.
double Supernet::Dot(const Kernels& kernels, const Tensor& values, const Tensor& gradient, int batch) {
  const Partition chunks = PixelChunks(values, batch);
  std::vector<double> sums(chunks.count());
  ParallelFor(chunks.count(), [&](int chunk) {
    const std::size_t channels = values.shape.channels;
    Scratch scratch{BlockPixels(values) * channels};
    float* buffer = scratch.Next();
    for (int begin = chunks[chunk].begin; begin < chunks[chunk].end; begin += BlockPixels(values)) {
      const int count = std::min(BlockPixels(values), chunks[chunk].end - begin);
      const float* y = LoadPixels(kernels, values, begin, count, buffer);
      const float* g = gradient.g + begin * channels;
      for (std::size_t i = 0; i < count * channels; ++i) sums[chunk] += static_cast<double>(y[i]) * g[i];
    }
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

double Supernet::DotOfCandidate(std::unique_ptr<Graph> graph, const TrainingPass& path, const Tensor& input,
                                const Tensor& gradient, float* memory) {
  TrainingPass pass(std::move(graph), path.kernels(), path.batch(), memory);
  const Partition chunks = PixelChunks(input, path.batch());
  ParallelFor(chunks.count(), [&](int chunk) {
    const Range range = chunks[chunk];
    float* to = pass.input(0) + static_cast<std::size_t>(range.begin) * input.shape.channels;
    const float* from = LoadPixels(path.kernels(), input, range.begin, range.size(), to);
    if (from != to) std::copy_n(from, static_cast<std::size_t>(range.size()) * input.shape.channels, to);
  });
  pass.Forward(parameters_.data(), nullptr);
  return Dot(path.kernels(), pass.graph().tensors[pass.graph().result], gradient, path.batch());
}

}  // namespace lathe
