#include "train/benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>

#include "core/denormals.h"
#include "core/thread_pool.h"
#include "quantize/integer_pass.h"
#include "train/inference.h"
#include "train/model.h"
#include "train/training.h"

namespace lathe {
namespace {

template <typename Work>
double Milliseconds(Work work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

template <typename Work>
std::vector<double> Repeat(int repeats, Work work) {
  const FlushDenormals flush;
  work();
  std::vector<double> times(repeats);
  for (double& time : times) time = Milliseconds(work);
  return times;
}

void FillRandom(float* values, std::size_t count, float scale, std::uint32_t seed) {
  std::minstd_rand random(seed);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  for (std::size_t i = 0; i < count; ++i) values[i] = uniform(random);
}

// Weights of about unit gain, so that values stay in range through many layers.
void FillParameters(const ParameterLayout& layout, float* parameters) {
  std::uint32_t seed = 1;
  for (const Parameter& p : layout.all()) {
    float* to = parameters + p.offset;
    const bool one = p.role == Role::kGamma || p.role == Role::kRunningVariance;
    std::fill_n(to, p.length, one ? 1.0f : 0.0f);
    if (p.role != Role::kWeight) continue;
    const double fanIn = static_cast<double>(p.length) / p.shape[0];
    FillRandom(to, p.length, static_cast<float>(std::sqrt(6.0 / fanIn)), ++seed);
  }
}

// The one operator, reading tensor 0 and writing tensor 1.
OpSpec Alone(OpSpec op) {
  op.inputs = {0};
  op.output = 1;
  return op;
}

template <typename Pass>
std::vector<double> TimeInference(const Pass& pass, std::size_t inputFloats, int batch, int repeats) {
  AlignedFloats images(inputFloats * batch);
  FillRandom(images.data(), images.size(), 1.0f, 7);
  const int few = pass.capacity(), chunks = (batch + few - 1) / few;
  return Repeat(repeats, [&] {
    ParallelFor(chunks, [&](int chunk) {
      const int first = chunk * few, some = std::min(few, batch - first);
      pass.Run(
          some, [&](int, float* to) { std::copy_n(images.data() + first * inputFloats, some * inputFloats, to); },
          nullptr);
    });
  });
}

// The graph's one operator on a whole batch.
std::vector<double> TimeOperator(Graph& graph, const ParameterLayout& layout, const float* parameters, int batch,
                                 int repeats) {
  const Kernels& kernels = ActiveKernels();
  Op& op = *graph.ops[0];
  InferWeights weights;
  if (const Parameter* weight = layout.Find(0, Role::kWeight)) weights.weight = parameters + weight->offset;
  op.PrepareInfer(kernels, weights);
  AlignedFloats x(op.in[0]->shape.size() * batch), y(op.out->shape.size() * batch);
  FillRandom(x.data(), x.size(), 1.0f, 7);
  InferContext context{kernels, batch};
  context.inputs[0] = x.data();
  context.output = y.data();
  return Repeat(repeats, [&] { op.Infer(context); });
}

// The graph's one operator in a training step, without what goes before and behind it.
std::vector<double> TimeTraining(Graph& graph, const float* parameters, float* gradients, BenchmarkPass pass, int batch,
                                 int repeats) {
  Op& op = *graph.ops[0];
  std::vector<AlignedFloats> memory;
  for (Tensor* tensor : {op.in[0], op.out}) {
    for (float** values : {&tensor->y, &tensor->g}) {
      *values = memory.emplace_back(tensor->shape.size() * batch).data();
      FillRandom(*values, tensor->shape.size() * batch, 1.0f, static_cast<std::uint32_t>(memory.size()));
    }
  }
  const TrainContext context{ActiveKernels(), batch, parameters, gradients};
  op.Plan(context.kernels, batch);
  const auto forward = [&] {
    op.PackForTraining(context);
    op.Forward(context);
  };
  if (pass == BenchmarkPass::kForward) return Repeat(repeats, forward);
  forward();
  op.out->arrived = op.out->readers;
  return Repeat(repeats, [&] {
    op.in[0]->arrived = 0;
    op.Backward(context);
  });
}

}  // namespace

std::vector<double> BenchmarkOperator(const OpSpec& spec, int batch, Shape shape, BenchmarkPass pass, int repeats) {
  const std::vector<OpSpec> ops{Alone(spec)};
  const ParameterLayout layout(ops);
  AlignedFloats parameters(layout.size()), gradients(layout.size());
  FillParameters(layout, parameters.data());
  const bool wantInputGradient = pass == BenchmarkPass::kBackward;
  auto graph = Graph::Build(ops, {shape}, layout, wantInputGradient);
  if (pass == BenchmarkPass::kInfer) return TimeOperator(*graph, layout, parameters.data(), batch, repeats);
  return TimeTraining(*graph, parameters.data(), gradients.data(), pass, batch, repeats);
}

std::vector<double> BenchmarkInference(const Program& program, int batch, int repeats) {
  CheckProgram(program);
  const ParameterLayout layout(program.ops);
  AlignedFloats parameters(layout.size());
  FillParameters(layout, parameters.data());
  InferencePass pass(Graph::Build(program.ops, {program.input}, layout, false), ActiveKernels(), layout,
                     parameters.data(), {});
  return TimeInference(pass, program.input.size(), batch, repeats);
}

std::vector<double> BenchmarkInteger(const Program& program, int batch, int repeats) {
  CheckProgram(program);
  const ParameterLayout layout(program.ops);
  AlignedFloats parameters(layout.size());
  FillParameters(layout, parameters.data());
  auto graph = Graph::Build(program.ops, {program.input}, layout, false);
  std::vector<OpQuantizer> quantizers(program.ops.size());
  for (std::size_t i = 0; i < quantizers.size(); ++i) {
    if (!program.ops[i].quantizable()) continue;
    const Parameter& weight = *layout.Find(static_cast<int>(i), Role::kWeight);
    const float* weights = parameters.data() + weight.offset;
    quantizers[i].weight = {8, *std::max_element(weights, weights + weight.length), true};
    quantizers[i].activation = {8, 4.0f, !graph->NonNegative(program.ops[i].inputs[0])};
  }
  const Kernels& kernels = ActiveKernels();
  const InferencePass pass(std::move(graph), kernels, layout, parameters.data(), quantizers);
  const IntegerPass integer(pass, program.ops, layout, parameters.data(), IntegerKernelsFor(kernels.level));
  return TimeInference(integer, program.input.size(), batch, repeats);
}

std::vector<double> BenchmarkTraining(const Program& program, int batch, int repeats) {
  Model model(program);
  FillParameters(model.layout(), model.parameters().data());
  std::vector<std::uint8_t> images(program.input.size() * batch), labels(batch);
  std::minstd_rand random(3);
  for (auto& byte : images) byte = static_cast<std::uint8_t>(random() >> 8);
  for (auto& label : labels) label = static_cast<std::uint8_t>((random() >> 8) % std::min(program.classes, 256));
  const std::vector<double> mean(program.input.channels, 0.5), std(program.input.channels, 0.25);
  const Dataset dataset({images.data(), nullptr, 0}, labels.data(), batch, program.input, program.input, mean, std);
  std::vector<std::uint32_t> order(batch);
  for (int i = 0; i < batch; ++i) order[i] = i;
  const float rate = 1e-4f;
  TrainJob job;
  job.dataset = &dataset;
  job.order = order.data();
  job.learningRates = &rate;
  job.steps = 1;
  job.batchSize = batch;
  job.optimizer.momentum = 0.9f;
  return Repeat(repeats, [&] { model.Train(job); });
}

Roofs MeasureRoofs() {
  const Kernels& kernels = ActiveKernels();
  const int threads = ThreadCount();
  Roofs roofs;
  constexpr std::int64_t kRounds = 1 << 18;
  for (const double ms : Repeat(20, [&] { ParallelFor(threads, [&](int) { kernels.peak(kRounds); }); })) {
    const double flops = 2.0 * kernels.peakMultiplyAdds * kRounds * threads;
    roofs.fmaGflops = std::max(roofs.fmaGflops, flops / ms * 1e-6);
  }
  constexpr std::size_t kFloats = std::size_t{1} << 24;  // 64 MiB an array
  AlignedFloats a(kFloats), b(kFloats), c(kFloats);
  const Partition slices(kFloats, 4096, std::int64_t{1} << 40, threads);
  for (const double ms : Repeat(5, [&] {
         ParallelFor(slices.count(), [&](int slice) {
           const int begin = slices[slice].begin;
           kernels.triad(a.data() + begin, b.data() + begin, c.data() + begin, 0.5f, slices[slice].size());
         });
       })) {
    roofs.memoryGbPerSecond = std::max(roofs.memoryGbPerSecond, 12.0 * kFloats / ms * 1e-6);
  }
  return roofs;
}

}  // namespace lathe
