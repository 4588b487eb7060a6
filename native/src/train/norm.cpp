#include "train/norm.h"

#include <algorithm>
#include <cmath>

namespace lathe {

void MakePeriodic(float* vector, int channels) {
  for (int i = channels; i < ChannelVectorSize(channels); ++i) vector[i] = vector[i - channels];
}

Norm::Norm(int channels, double epsilon, double momentum, NormParameters parameters)
    : channels_(channels),
      epsilon_(epsilon),
      momentum_(momentum),
      at_(parameters),
      stride_(RoundUpFloats(ChannelVectorSize(channels))),
      partial_(kMaxChunks * 3 * stride_),
      rows_(kMaxChunks),
      batchMean_(channels),
      batchDeviations_(channels),
      sums_(channels),
      weighted_(channels) {
  for (AlignedFloats* v : {&scale_, &shift_, &mean_, &inverseStd_, &a_, &b_, &c_}) *v = AlignedFloats(stride_);
}

void Norm::BeginForward(int chunks) {
  std::fill_n(partial_.data(), static_cast<std::size_t>(chunks) * 3 * stride_, 0.0f);
  std::fill(rows_.begin(), rows_.end(), 0);
}

void Norm::AddRows(const Kernels& kernels, int chunk, const float* y, int rows) {
  float* center = partial_.data() + Slot(chunk, 2);
  if (rows_[chunk] == 0) {
    // Sums around the chunk's first row: around zero they would cancel where the mean is large against the deviation.
    std::copy_n(y, channels_, center);
    MakePeriodic(center, channels_);
  }
  rows_[chunk] += rows;
  kernels.columnMoments(y, rows, channels_, center, sum(chunk), sumTimesCentered(chunk));
}

void Norm::FinishForward(int chunks, const float* parameters) {
  // Pairwise combination of counts, means and squared deviations (Chan, Golub and LeVeque 1983), in chunk order.
  double count = 0;
  double* mean = batchMean_.data();
  double* squares = batchDeviations_.data();
  std::fill_n(mean, channels_, 0.0);
  std::fill_n(squares, channels_, 0.0);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const double rows = rows_[chunk];
    if (rows == 0) continue;
    const float* first = sum(chunk);
    const float* second = sumTimesCentered(chunk);
    const float* center = partial_.data() + Slot(chunk, 2);
    const double total = count + rows, share = rows / total, cross = count * share, inverse = 1.0 / rows;
    for (int i = 0; i < channels_; ++i) {
      const double offset = first[i] * inverse;
      const double delta = center[i] + offset - mean[i];
      mean[i] += delta * share;
      squares[i] += second[i] - first[i] * offset + delta * delta * cross;
    }
    count = total;
  }
  count_ = count;
  const float* gamma = parameters + at_.gamma;
  const float* beta = parameters + at_.beta;
  for (int i = 0; i < channels_; ++i) {
    squares[i] = std::max(squares[i], 0.0);
    const double inverseStd = 1.0 / std::sqrt(squares[i] / count + epsilon_);
    mean_[i] = static_cast<float>(mean[i]);
    inverseStd_[i] = static_cast<float>(inverseStd);
    scale_[i] = static_cast<float>(gamma[i] * inverseStd);
    shift_[i] = static_cast<float>(beta[i] - mean[i] * gamma[i] * inverseStd);
  }
  for (AlignedFloats* v : {&scale_, &shift_, &mean_}) MakePeriodic(v->data(), channels_);
}

void Norm::StoreAsRunning(float* parameters, const float* bias) const {
  for (int i = 0; i < channels_; ++i) {
    parameters[at_.runningMean + i] = static_cast<float>(batchMean_[i] + (bias ? bias[i] : 0.0f));
    parameters[at_.runningVariance + i] = static_cast<float>(batchDeviations_[i] / count_);
  }
}

void Norm::CommitRunning(float* parameters) const {
  const double unbiased = count_ > 1 ? 1.0 / (count_ - 1) : 1.0;  // as PyTorch keeps its running variance
  float* runningMean = parameters + at_.runningMean;
  float* runningVariance = parameters + at_.runningVariance;
  for (int i = 0; i < channels_; ++i) {
    const double variance = batchDeviations_[i] * unbiased;
    runningMean[i] = static_cast<float>((1 - momentum_) * runningMean[i] + momentum_ * batchMean_[i]);
    runningVariance[i] = static_cast<float>((1 - momentum_) * runningVariance[i] + momentum_ * variance);
  }
}

void Norm::BeginBackward(int chunks) {
  backwardChunks_ = chunks;
  std::fill_n(partial_.data(), static_cast<std::size_t>(chunks) * 3 * stride_, 0.0f);
}

void Norm::FinishBackward(const float* parameters, float* gradients) {
  // Ioffe and Szegedy 2015, section 3, with xhat = (y - mean) * inverseStd:
  // dy = gamma * inverseStd * (g - sum(g) / count - xhat * sum(g * xhat) / count).
  double* sums = sums_.data();
  double* weighted = weighted_.data();
  std::fill_n(sums, channels_, 0.0);
  std::fill_n(weighted, channels_, 0.0);
  for (int chunk = 0; chunk < backwardChunks_; ++chunk) {
    const float* first = sum(chunk);
    const float* second = sumTimesCentered(chunk);
    for (int i = 0; i < channels_; ++i) {
      sums[i] += first[i];
      weighted[i] += second[i];
    }
  }
  const float* gamma = parameters + at_.gamma;
  for (int i = 0; i < channels_; ++i) {
    const double inverseStd = inverseStd_[i];
    const double dGamma = weighted[i] * inverseStd;
    gradients[at_.gamma + i] = static_cast<float>(dGamma);
    gradients[at_.beta + i] = static_cast<float>(sums[i]);
    const double a = gamma[i] * inverseStd;
    const double b = -a * inverseStd * dGamma / count_;
    a_[i] = static_cast<float>(a);
    b_[i] = static_cast<float>(b);
    c_[i] = static_cast<float>(-a * sums[i] / count_ - b * mean_[i]);
  }
  for (AlignedFloats* v : {&a_, &b_, &c_}) MakePeriodic(v->data(), channels_);
}

}  // namespace lathe
