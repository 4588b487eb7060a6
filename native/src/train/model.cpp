#include "train/model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "core/thread_pool.h"
#include "kernels/loss.h"
#include "quantize/calibrate.h"
#include "quantize/integer_pass.h"
#include "quantize/kmeans.h"

namespace lathe {

namespace {

void RequireFinite(double value, const char* what, std::uint64_t step) {
  if (std::isfinite(value)) return;
  throw std::runtime_error("training diverged: " + std::string(what) + " is not finite at step " +
                           std::to_string(step) + "; lower the learning rate, warm up longer or clip the gradient");
}

}  // namespace

Model::Model(Program program)
    : program_(std::move(program)),
      layout_((CheckProgram(program_), program_.ops)),
      parameters_(layout_.size()),
      optimizer_(layout_) {
  for (const Parameter& p : layout_.all()) {
    const bool one = p.role == Role::kGamma || p.role == Role::kRunningVariance || p.role == Role::kScale;
    if (one) std::fill_n(parameters_.data() + p.offset, p.length, 1.0f);
  }
  for (int i = 0; i < static_cast<int>(program_.ops.size()); ++i) {
    if (program_.ops[i].quantizable()) quantizable_.push_back(i);
  }
}

TrainingPass& Model::PreparePass(const TrainJob& job) {
  auto quantized = MakeQuantized(job);
  const bool same = pass_ && pass_->batch() == job.batchSize && &pass_->kernels() == job.kernels;
  const bool sameEdges = quantized && quantized_ ? quantized_->Adopt(*quantized) : !quantized && !quantized_;
  if (same && sameEdges) return *pass_;
  pass_.reset();
  if (!sameEdges) quantized_ = std::move(quantized);
  const auto ranges = quantized_ ? quantized_->ranges() : std::vector<ActivationRange*>{};
  auto graph = Graph::Build(program_.ops, {program_.input}, layout_, false, ranges);
  pass_ = std::make_unique<TrainingPass>(std::move(graph), *job.kernels, job.batchSize);
  return *pass_;
}

std::size_t Model::TrainingBytes(const Kernels& kernels, int batchSize, OptimizerKind kind) const {
  const MemoryCount count;
  const TrainingPass pass(Graph::Build(program_.ops, {program_.input}, layout_, false), kernels, batchSize);
  BatchBuffers buffers;
  buffers.Fit(batchSize, program_.input.size());
  Optimizer optimizer(layout_);
  optimizer.Prepare(kind);
  return count.bytes() + layout_.size() * sizeof(float) + ThreadCount() * WorkingBytes(pass.graph(), kernels);
}

TrainResult Model::Train(const TrainJob& job) {
  TrainingPass& pass = PreparePass(job);
  QuantizedTraining* quantized = quantized_.get();
  if (quantized) quantized->Start(parameters_.data());
  optimizer_.Prepare(job.optimizer.kind);
  buffers_.Fit(job.batchSize, program_.input.size());
  BatchLoader loader(job, buffers_);
  TrainResult result;
  result.losses.reserve(job.steps);
  result.correct.reserve(job.steps);
  result.gradientNorms.reserve(job.steps);
  double lossSum = 0, correctSum = 0;
  for (std::size_t step = 0; step < job.steps; ++step) {
    const std::uint64_t number = job.firstStep + step;
    const BatchLoader::Batch batch = loader.Next();
    pass.SetInput(0, batch.images);
    const float* weights = quantized ? quantized->Quantized(pass.kernels(), parameters_.data()) : parameters_.data();
    if (!pass.Forward(weights, job.watch.cancelled, job.seed, number)) break;
    const LossSums sums = SoftmaxCrossEntropy(pass.Result(), batch.labels, job.batchSize, program_.classes,
                                              job.batchSize, job.labelSmoothing, pass.resultGradient());
    const double loss = sums.loss / job.batchSize;
    RequireFinite(loss, "the loss", number);
    float* gradients = optimizer_.gradients().data();
    if (!pass.Backward(weights, gradients, job.watch.cancelled)) break;
    if (quantized && !quantized->finite()) RequireFinite(NAN, "a range of activations", number);
    if (quantized) quantized->ShareGradients(gradients);
    if (job.optimizer.keepZeros) optimizer_.DropGradientsOfZeros(parameters_.data());
    const double norm = optimizer_.GradientNorm();
    RequireFinite(norm, "the gradient", number);
    optimizer_.Step(pass.kernels(), job.optimizer, job.learningRates[step], number, norm, parameters_.data());
    if (quantized) {
      quantized->PinClusters(parameters_.data());
      quantized->StepRanges(job.learningRates[step]);
    }
    pass.CommitRunning(parameters_.data());

    result.losses.push_back(static_cast<float>(loss));
    result.correct.push_back(sums.correct);
    result.gradientNorms.push_back(static_cast<float>(norm));
    result.stepsDone = step + 1;
    lossSum += loss;
    correctSum += sums.correct;
    const double done = static_cast<double>(result.stepsDone);
    if (job.watch.onProgress) {
      job.watch.onProgress({result.stepsDone, job.steps, lossSum / done, correctSum / (done * job.batchSize)});
    }
    if (job.watch.stop()) break;
  }
  result.cancelled = result.stepsDone < job.steps;
  if (quantized) {
    const auto byOp = quantized->Result(parameters_.data());
    const auto velocities = quantized->velocities();
    for (const int op : quantizable_) {
      result.quantizers.push_back(byOp[op]);
      result.rangeVelocities.push_back(velocities[op]);
    }
  }
  return result;
}

std::vector<OpQuantizer> Model::ByOp(const Graph& graph, const std::vector<OpQuantizer>& quantizers) const {
  std::vector<OpQuantizer> byOp(program_.ops.size());
  for (std::size_t i = 0; i < quantizable_.size(); ++i) {
    const int op = quantizable_[i];
    byOp[op] = quantizers[i];
    byOp[op].activation.isSigned = !graph.NonNegative(program_.ops[op].inputs[0]);
  }
  return byOp;
}

std::unique_ptr<QuantizedTraining> Model::MakeQuantized(const TrainJob& job) const {
  if (job.quantizers.empty()) return nullptr;
  const auto graph = Graph::Build(program_.ops, {program_.input}, layout_, false);
  std::vector<float> velocities;
  if (!job.rangeVelocities.empty()) {
    velocities.resize(program_.ops.size());
    for (std::size_t i = 0; i < quantizable_.size(); ++i) velocities[quantizable_[i]] = job.rangeVelocities[i];
  }
  return std::make_unique<QuantizedTraining>(layout_, ByOp(*graph, job.quantizers), std::move(velocities),
                                             job.quantizedTraining);
}

std::vector<std::shared_ptr<const Codebook>> Model::Cluster(const ClusterJob& job) const {
  std::vector<std::shared_ptr<const Codebook>> books(quantizable_.size());
  ParallelFor(static_cast<int>(quantizable_.size()), [&](int i) {
    if (job.bits[i] == 0 || job.watch.stop()) return;
    ClusterOptions options;
    options.bits = job.bits[i];
    options.iterations = job.iterations;
    options.keepZeros = job.keepZeros;
    options.uniforms = job.uniforms + static_cast<std::ptrdiff_t>(i) * 256;
    const Parameter& weight = *layout_.Find(quantizable_[i], Role::kWeight);
    books[i] =
        std::make_shared<const Codebook>(ClusterWeights(parameters_.data() + weight.offset, weight.length, options));
  });
  if (job.watch.stop()) books.clear();
  return books;
}

std::unique_ptr<InferencePass> Model::MakeInference(const Kernels& kernels,
                                                    const std::vector<OpQuantizer>& quantizers) const {
  auto graph = Graph::Build(program_.ops, {program_.input}, layout_, false);
  const std::vector<OpQuantizer> byOp = quantizers.empty() ? quantizers : ByOp(*graph, quantizers);
  return std::make_unique<InferencePass>(std::move(graph), kernels, layout_, parameters_.data(), byOp);
}

EvaluateResult Model::Evaluate(const EvaluateJob& job) {
  const auto pass = MakeInference(*job.kernels, job.quantizers);
  const int classes = program_.classes;
  const std::size_t imageFloats = program_.input.size();
  EvaluateResult result;
  if (job.statisticsCount > 0) {
    const auto load = [&](int i, float* out) { job.statisticsDataset->Load(job.statisticsIndices[i], out); };
    if (job.wantParameters) result.parameters.assign(parameters_.begin(), parameters_.end());
    if (!pass->Recalibrate(static_cast<int>(job.statisticsCount), parameters_.data(), load, job.watch.cancelled,
                           job.wantParameters ? result.parameters.data() : nullptr)) {
      result.cancelled = true;
      return result;
    }
  }
  std::unique_ptr<IntegerPass> integer;
  if (job.integer) {
    integer = std::make_unique<IntegerPass>(*pass, program_.ops, layout_, parameters_.data(),
                                            IntegerKernelsFor(job.kernels->level));
  }
  const int few = integer ? integer->capacity() : pass->capacity();
  if (job.wantLogits) result.logits.resize(job.count * classes);
  std::vector<LossSums> sums((job.batchSize + few - 1) / few);  // by chunk
  double lossSum = 0;
  while (result.count < job.count && !job.watch.stop()) {
    const int images = static_cast<int>(std::min<std::size_t>(job.batchSize, job.count - result.count));
    const int chunks = (images + few - 1) / few;
    ParallelFor(chunks, [&](int chunk) {
      const int some = std::min(few, images - chunk * few);
      const std::size_t first = result.count + static_cast<std::size_t>(chunk) * few;
      std::uint8_t labels[256];
      const auto load = [&](int, float* input) {
        for (int i = 0; i < some; ++i) {
          job.dataset->Load(job.indices[first + i], input + i * imageFloats);
          labels[i] = job.dataset->label(job.indices[first + i]);
        }
      };
      const float* logits =
          integer ? integer->Run(some, load, job.watch.cancelled) : pass->Run(some, load, job.watch.cancelled);
      if (!logits) return;
      sums[chunk] = SoftmaxCrossEntropy(logits, labels, some, classes, some, 0, nullptr);
      if (job.wantLogits)
        std::copy_n(logits, static_cast<std::size_t>(some) * classes, &result.logits[first * classes]);
    });
    if (job.watch.stop()) break;  // some chunk may have given up: this batch does not count
    for (int chunk = 0; chunk < chunks; ++chunk) {
      lossSum += sums[chunk].loss;
      result.correct += sums[chunk].correct;
      result.correctTop5 += sums[chunk].correctTop5;
    }
    result.count += images;
    const double done = static_cast<double>(result.count);
    if (job.watch.onProgress) job.watch.onProgress({result.count, job.count, lossSum / done, result.correct / done});
  }
  result.cancelled = result.count < job.count;
  result.meanLoss = result.count > 0 ? lossSum / static_cast<double>(result.count) : 0;
  if (job.wantLogits) result.logits.resize(result.count * classes);
  return result;
}

std::vector<Calibration> Model::Calibrate(const CalibrateJob& job) {
  const auto pass = MakeInference(*job.kernels, {});
  Calibrator calibrator(pass->graph(), program_, quantizable_);
  const std::size_t imageFloats = program_.input.size();
  const int few = pass->capacity();
  const auto sweep = [&](auto observe) {
    for (std::size_t begin = 0; begin < job.count; begin += job.batchSize) {
      const int images = static_cast<int>(std::min<std::size_t>(job.batchSize, job.count - begin));
      ParallelFor((images + few - 1) / few, [&](int chunk) {
        const int some = std::min(few, images - chunk * few);
        const std::size_t first = begin + static_cast<std::size_t>(chunk) * few;
        const InferencePass::Observer observer = observe;
        pass->Run(
            some,
            [&](int, float* input) {
              for (int i = 0; i < some; ++i) job.dataset->Load(job.indices[first + i], input + i * imageFloats);
            },
            job.watch.cancelled, &observer);
      });
      if (job.watch.stop()) return false;
    }
    return true;
  };
  const auto ranges = [&](const Op& op, const float* x, std::size_t n) { calibrator.AddToRange(op.spec, x, n); };
  const auto counts = [&](const Op& op, const float* x, std::size_t n) { calibrator.AddToHistogram(op.spec, x, n); };
  if (!sweep(ranges)) return {};
  calibrator.PrepareHistograms();
  if (!sweep(counts)) return {};
  return calibrator.Finish(layout_, parameters_.data(), job.thresholds, job.perChannel);
}

}  // namespace lathe
