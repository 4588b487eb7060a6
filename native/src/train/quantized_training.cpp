#include "train/quantized_training.h"

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"

namespace lathe {
namespace {

constexpr float kLeastRange = 1e-6f;

float MeanMagnitude(const float* weights, std::size_t count) {
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += std::abs(weights[i]);
  return sum > 0 ? static_cast<float>(sum / static_cast<double>(count)) : 1.0f;
}

}  // namespace

QuantizedTraining::QuantizedTraining(const ParameterLayout& layout, std::vector<OpQuantizer> quantizers,
                                     std::vector<float> velocities, const QuantizedTrainingOptions& options)
    : layout_(layout), quantizers_(std::move(quantizers)), options_(options), quantized_(layout.size()) {
  for (std::size_t op = 0; op < quantizers_.size(); ++op) {
    ActivationRange range;
    range.quantizer = quantizers_[op].activation;
    range.learned = options.learnRanges && range.quantizer.bits > 0;
    if (!velocities.empty()) range.velocity = velocities[op];
    ranges_.push_back(range);
  }
}

std::vector<ActivationRange*> QuantizedTraining::ranges() {
  std::vector<ActivationRange*> pointers;
  for (ActivationRange& range : ranges_) pointers.push_back(range.quantizer.bits > 0 ? &range : nullptr);
  return pointers;
}

bool QuantizedTraining::Adopt(QuantizedTraining& other) {
  for (std::size_t op = 0; op < ranges_.size(); ++op) {
    const ActivationRange &mine = ranges_[op], &theirs = other.ranges_[op];
    if ((mine.quantizer.bits > 0) != (theirs.quantizer.bits > 0) || mine.learned != theirs.learned) return false;
  }
  quantizers_ = std::move(other.quantizers_);
  options_ = other.options_;
  std::copy(other.ranges_.begin(), other.ranges_.end(), ranges_.begin());
  return true;
}

void QuantizedTraining::Start(float* parameters) const {
  for (const Parameter& p : layout_.all()) {
    const Codebook* book = quantizers_[p.op].codebook.get();
    if (p.role != Role::kWeight || !book) continue;
    for (std::size_t i = 0; i < p.length; ++i) parameters[p.offset + i] = book->centroids[book->assignment[i]];
  }
}

const float* QuantizedTraining::Quantized(const Kernels& kernels, const float* parameters) {
  const auto& all = layout_.all();
  ParallelFor(static_cast<int>(all.size()), [&](int i) {
    const Parameter& p = all[i];
    const float* from = parameters + p.offset;
    float* to = quantized_.data() + p.offset;
    OpQuantizer& quantizer = quantizers_[p.op];
    // A codebook's weights lie on their centroids already.
    if (p.role != Role::kWeight || !quantizer.quantizesWeights() || quantizer.codebook) {
      std::copy_n(from, p.length, to);
      return;
    }
    if (quantizer.weight.bits == 1) {
      quantizer.weight.threshold = MeanMagnitude(from, p.length);
      const std::size_t row = p.length / p.shape.front();
      for (std::size_t c = 0; c < quantizer.channelThresholds.size(); ++c) {
        quantizer.channelThresholds[c] = MeanMagnitude(from + c * row, row);
      }
    }
    QuantizeWeights(kernels, quantizer, from, p.shape.front(), p.length, to);
  });
  return quantized_.data();
}

void QuantizedTraining::ShareGradients(float* gradients) const {
  const auto& all = layout_.all();
  ParallelFor(static_cast<int>(all.size()), [&](int i) {
    const Parameter& p = all[i];
    const Codebook* book = quantizers_[p.op].codebook.get();
    if (p.role != Role::kWeight || !book) return;
    float* own = gradients + p.offset;
    std::vector<double> sums(book->centroids.size()), counts(book->centroids.size());
    for (std::size_t w = 0; w < p.length; ++w) {
      sums[book->assignment[w]] += own[w];
      counts[book->assignment[w]] += 1;
    }
    for (std::size_t c = 0; c < sums.size(); ++c) {
      if (options_.meanGradient && counts[c] > 0) sums[c] /= counts[c];
      if (book->keepsZeros && book->centroids[c] == 0) sums[c] = 0;
    }
    for (std::size_t w = 0; w < p.length; ++w) own[w] = static_cast<float>(sums[book->assignment[w]]);
  });
}

void QuantizedTraining::PinClusters(float* parameters) const {
  const auto& all = layout_.all();
  ParallelFor(static_cast<int>(all.size()), [&](int i) {
    const Parameter& p = all[i];
    const Codebook* book = quantizers_[p.op].codebook.get();
    if (p.role != Role::kWeight || !book) return;
    float* own = parameters + p.offset;
    // The sum of equal floats is exact in double, and so is their mean.
    std::vector<double> means(book->centroids.size()), counts(book->centroids.size());
    for (std::size_t w = 0; w < p.length; ++w) {
      means[book->assignment[w]] += own[w];
      counts[book->assignment[w]] += 1;
    }
    for (std::size_t c = 0; c < means.size(); ++c) {
      const bool pruned = book->keepsZeros && book->centroids[c] == 0;
      means[c] = pruned || counts[c] == 0 ? 0 : means[c] / counts[c];
    }
    for (std::size_t w = 0; w < p.length; ++w) own[w] = static_cast<float>(means[book->assignment[w]]);
  });
}

void QuantizedTraining::StepRanges(float learningRate) {
  for (ActivationRange& range : ranges_) {
    if (!range.learned) continue;
    float& r = range.quantizer.threshold;
    range.velocity = options_.momentum * range.velocity + static_cast<float>(range.gradient) + options_.rangeDecay * r;
    r = std::max(r - learningRate * range.velocity, kLeastRange);
  }
}

bool QuantizedTraining::finite() const {
  return std::all_of(ranges_.begin(), ranges_.end(), [](const ActivationRange& range) {
    return std::isfinite(range.quantizer.threshold) && std::isfinite(range.gradient);
  });
}

std::vector<OpQuantizer> QuantizedTraining::Result(const float* parameters) const {
  std::vector<OpQuantizer> result = quantizers_;
  for (std::size_t op = 0; op < result.size(); ++op) {
    result[op].activation = ranges_[op].quantizer;
    const Parameter* weight = layout_.Find(static_cast<int>(op), Role::kWeight);
    if (!weight) continue;
    const float* own = parameters + weight->offset;
    if (const Codebook* before = result[op].codebook.get()) {
      Codebook now = *before;
      for (std::size_t i = 0; i < weight->length; ++i) now.centroids[now.assignment[i]] = own[i];
      result[op].codebook = std::make_shared<const Codebook>(std::move(now));
    } else if (result[op].weight.bits == 1) {
      result[op].weight.threshold = MeanMagnitude(own, weight->length);
      const std::size_t row = weight->length / weight->shape.front();
      for (std::size_t c = 0; c < result[op].channelThresholds.size(); ++c) {
        result[op].channelThresholds[c] = MeanMagnitude(own + c * row, row);
      }
    }
  }
  return result;
}

std::vector<float> QuantizedTraining::velocities() const {
  std::vector<float> result;
  for (const ActivationRange& range : ranges_) result.push_back(range.velocity);
  return result;
}

}  // namespace lathe
