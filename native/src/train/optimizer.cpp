#include "train/optimizer.h"

#include <cmath>

#include "core/thread_pool.h"

namespace lathe {

void Optimizer::Prepare(OptimizerKind kind) {
  if (kind == OptimizerKind::kAdam && second_.size() == 0) second_ = AlignedFloats(layout_.size());
}

void Optimizer::DropGradientsOfZeros(const float* parameters) {
  const auto& all = layout_.all();
  ParallelFor(static_cast<int>(all.size()), [&](int i) {
    const Parameter& p = all[i];
    if (!p.decayed()) return;
    const float* w = parameters + p.offset;
    float* g = gradients_.data() + p.offset;
    for (std::size_t k = 0; k < p.length; ++k) g[k] = w[k] == 0.0f ? 0.0f : g[k];
  });
}

double Optimizer::GradientNorm(const ParameterLayout& part) {
  const auto& all = part.all();
  sums_.resize(all.size());
  ParallelFor(static_cast<int>(all.size()), [&](int i) {
    sums_[i] = 0;
    if (!all[i].trained()) return;
    // Four sums side by side: one alone would wait for its own additions.
    double sums[4] = {};
    const float* g = gradients_.data() + all[i].offset;
    for (std::size_t k = 0; k < all[i].length; ++k) sums[k % 4] += static_cast<double>(g[k]) * g[k];
    sums_[i] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  });
  double total = 0;
  for (const double sum : sums_) total += sum;
  return std::sqrt(total);
}

void Optimizer::Step(const Kernels& kernels, const OptimizerSpec& spec, float learningRate, std::uint64_t step,
                     double gradientNorm, const ParameterLayout& part, float* parameters) {
  const bool clips = spec.clipNorm > 0 && gradientNorm > spec.clipNorm;
  const float scale = clips ? static_cast<float>(spec.clipNorm / gradientNorm) : 1.0f;
  const double t = static_cast<double>(step) + 1;
  const double firstCorrection = 1 - std::pow(static_cast<double>(spec.beta1), t);
  const double secondCorrection = 1 - std::pow(static_cast<double>(spec.beta2), t);
  const auto& all = part.all();
  ParallelFor(static_cast<int>(all.size()), [&](int i) {
    const Parameter& p = all[i];
    if (!p.trained()) return;
    const float decay = p.decayed() || spec.decayAll ? spec.weightDecay : 0.0f;
    if (spec.kind == OptimizerKind::kSgd) {
      SgdArgs args;
      args.count = p.length;
      args.weight = parameters + p.offset;
      args.velocity = first_.data() + p.offset;
      args.gradient = gradients_.data() + p.offset;
      args.learningRate = learningRate;
      args.momentum = spec.momentum;
      args.nesterov = spec.nesterov;
      args.weightDecay = decay;
      args.gradientScale = scale;
      kernels.sgd(args);
      return;
    }
    AdamArgs args;
    args.count = p.length;
    args.weight = parameters + p.offset;
    args.first = first_.data() + p.offset;
    args.second = second_.data() + p.offset;
    args.gradient = gradients_.data() + p.offset;
    args.beta1 = spec.beta1;
    args.beta2 = spec.beta2;
    args.epsilon = spec.epsilon;
    args.stepSize = static_cast<float>(learningRate / firstCorrection);
    args.secondCorrection = static_cast<float>(1 / secondCorrection);
    args.keep = 1.0f - learningRate * decay;
    args.gradientScale = scale;
    kernels.adam(args);
  });
}

}  // namespace lathe
