// The slow twins of every kernel: plain loops straight from the definitions, in any scalar type; tests use them in
// double. Tensors are (N, H, W, C), weights (outChannels, kernel height, kernel
// width, inChannels / groups). Outputs are replaced,
// never added to.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace lathe::reference {

struct ConvGeometry {
  int batch = 0, height = 0, width = 0, inChannels = 0, outChannels = 0;
  int kernelHeight = 1, kernelWidth = 1, strideHeight = 1, strideWidth = 1, dilationHeight = 1, dilationWidth = 1;
  int top = 0, left = 0, bottom = 0, right = 0;  // padding
  int groups = 1;
  int outHeight() const { return (height + top + bottom - (kernelHeight - 1) * dilationHeight - 1) / strideHeight + 1; }
  int outWidth() const { return (width + left + right - (kernelWidth - 1) * dilationWidth - 1) / strideWidth + 1; }
};

// Calls visit(xIndex, wIndex, yIndex) for each product of a convolution: y[yIndex] += x[xIndex] * w[wIndex].
template <typename Visit>
void ForConvProducts(const ConvGeometry& g, Visit visit) {
  const int groupIn = g.inChannels / g.groups, groupOut = g.outChannels / g.groups;
  for (int n = 0; n < g.batch; ++n)
    for (int oy = 0; oy < g.outHeight(); ++oy)
      for (int ox = 0; ox < g.outWidth(); ++ox)
        for (int o = 0; o < g.outChannels; ++o)
          for (int ky = 0; ky < g.kernelHeight; ++ky)
            for (int kx = 0; kx < g.kernelWidth; ++kx) {
              const int iy = oy * g.strideHeight + ky * g.dilationHeight - g.top;
              const int ix = ox * g.strideWidth + kx * g.dilationWidth - g.left;
              if (iy < 0 || iy >= g.height || ix < 0 || ix >= g.width) continue;
              for (int i = 0; i < groupIn; ++i) {
                const int channel = o / groupOut * groupIn + i;
                const auto xIndex =
                    ((static_cast<std::size_t>(n) * g.height + iy) * g.width + ix) * g.inChannels + channel;
                const auto wIndex =
                    ((static_cast<std::size_t>(o) * g.kernelHeight + ky) * g.kernelWidth + kx) * groupIn + i;
                const auto yIndex =
                    ((static_cast<std::size_t>(n) * g.outHeight() + oy) * g.outWidth() + ox) * g.outChannels + o;
                visit(xIndex, wIndex, yIndex);
              }
            }
}

template <typename T>
using Values = std::vector<T>;

// bias may be empty.
template <typename T>
Values<T> ConvForward(const ConvGeometry& g, const Values<T>& x, const Values<T>& w, const Values<T>& bias) {
  Values<T> y(static_cast<std::size_t>(g.batch) * g.outHeight() * g.outWidth() * g.outChannels);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = bias.empty() ? T(0) : bias[i % g.outChannels];
  ForConvProducts(g, [&](auto xi, auto wi, auto yi) { y[yi] += x[xi] * w[wi]; });
  return y;
}

template <typename T>
struct ConvGradients {
  Values<T> dx, dw, dBias;
};

template <typename T>
ConvGradients<T> ConvBackward(const ConvGeometry& g, const Values<T>& x, const Values<T>& w, const Values<T>& dy) {
  ConvGradients<T> out{Values<T>(x.size()), Values<T>(w.size()), Values<T>(g.outChannels)};
  ForConvProducts(g, [&](auto xi, auto wi, auto yi) {
    out.dx[xi] += dy[yi] * w[wi];
    out.dw[wi] += dy[yi] * x[xi];
  });
  for (std::size_t i = 0; i < dy.size(); ++i) out.dBias[i % g.outChannels] += dy[i];
  return out;
}

// Batch normalisation (Ioffe and Szegedy 2015, algorithm 1), over all but the channels.
template <typename T>
struct NormStatistics {
  Values<T> mean, variance;  // variance divided by the count
};

template <typename T>
NormStatistics<T> BatchStatistics(const Values<T>& x, int channels) {
  const auto rows = x.size() / channels;
  NormStatistics<T> s{Values<T>(channels), Values<T>(channels)};
  for (std::size_t i = 0; i < x.size(); ++i) s.mean[i % channels] += x[i] / T(rows);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const T d = x[i] - s.mean[i % channels];
    s.variance[i % channels] += d * d / T(rows);
  }
  return s;
}

template <typename T>
Values<T> NormForward(const Values<T>& x, const NormStatistics<T>& s, const Values<T>& gamma, const Values<T>& beta,
                      T epsilon) {
  const auto channels = gamma.size();
  Values<T> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto c = i % channels;
    y[i] = gamma[c] * (x[i] - s.mean[c]) / std::sqrt(s.variance[c] + epsilon) + beta[c];
  }
  return y;
}

// Running statistics take the variance divided by count - 1 (by count where it is 1), as PyTorch does.
template <typename T>
void UpdateRunning(const NormStatistics<T>& batch, std::size_t rows, T momentum, NormStatistics<T>& running) {
  const T unbiased = rows > 1 ? T(rows) / T(rows - 1) : T(1);
  for (std::size_t c = 0; c < running.mean.size(); ++c) {
    running.mean[c] = (T(1) - momentum) * running.mean[c] + momentum * batch.mean[c];
    running.variance[c] = (T(1) - momentum) * running.variance[c] + momentum * batch.variance[c] * unbiased;
  }
}

template <typename T>
struct NormGradients {
  Values<T> dx, dGamma, dBeta;
};

// Through the batch's statistics (paper, section 3).
template <typename T>
NormGradients<T> NormBackward(const Values<T>& x, const NormStatistics<T>& s, const Values<T>& gamma, T epsilon,
                              const Values<T>& dy) {
  const auto channels = gamma.size();
  const T rows = T(x.size() / channels);
  NormGradients<T> out{Values<T>(x.size()), Values<T>(channels), Values<T>(channels)};
  const auto normalised = [&](std::size_t i) {
    return (x[i] - s.mean[i % channels]) / std::sqrt(s.variance[i % channels] + epsilon);
  };
  for (std::size_t i = 0; i < x.size(); ++i) {
    out.dBeta[i % channels] += dy[i];
    out.dGamma[i % channels] += dy[i] * normalised(i);
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto c = i % channels;
    out.dx[i] = gamma[c] / std::sqrt(s.variance[c] + epsilon) *
                (dy[i] - out.dBeta[c] / rows - normalised(i) * out.dGamma[c] / rows);
  }
  return out;
}

// alpha and beta: the ends of a clip (ReLU: 0 and infinity; ReLU6: 0 and 6), a slope, or a line's slope and offset.
enum class ActivationForm { kClip, kLeakyRelu, kHardSwish, kHardSigmoid, kSigmoid, kSwish, kTanh };

template <typename T>
T Sigmoid(T x) {
  return T(1) / (T(1) + std::exp(-x));
}

template <typename T>
T Activate(ActivationForm form, T x, T alpha, T beta) {
  switch (form) {
    case ActivationForm::kClip:
      return std::min(std::max(x, alpha), beta);
    case ActivationForm::kLeakyRelu:
      return x > T(0) ? x : alpha * x;
    case ActivationForm::kHardSwish:
      return x * std::min(std::max(x + T(3), T(0)), T(6)) / T(6);
    case ActivationForm::kHardSigmoid:
      return std::min(std::max(alpha * x + beta, T(0)), T(1));
    case ActivationForm::kSigmoid:
      return Sigmoid(x);
    case ActivationForm::kSwish:
      return x * Sigmoid(x);
    default:
      return std::tanh(x);
  }
}

// The derivative at x.
template <typename T>
T ActivationSlope(ActivationForm form, T x, T alpha, T beta) {
  const auto inside = [](T t, T low, T high) { return t > low && t < high; };
  switch (form) {
    case ActivationForm::kClip:
      return inside(x, alpha, beta) ? T(1) : T(0);
    case ActivationForm::kLeakyRelu:
      return x > T(0) ? T(1) : alpha;
    case ActivationForm::kHardSwish:
      return inside(x, T(-3), T(3)) ? (T(2) * x + T(3)) / T(6) : x > T(0) ? T(1) : T(0);
    case ActivationForm::kHardSigmoid:
      return inside(alpha * x + beta, T(0), T(1)) ? alpha : T(0);
    case ActivationForm::kSigmoid:
      return Sigmoid(x) * (T(1) - Sigmoid(x));
    case ActivationForm::kSwish:
      return Sigmoid(x) + x * Sigmoid(x) * (T(1) - Sigmoid(x));
    default:
      return T(1) - std::tanh(x) * std::tanh(x);
  }
}

struct PoolGeometry {
  int batch = 0, height = 0, width = 0, channels = 0;
  int kernelHeight = 1, kernelWidth = 1, strideHeight = 1, strideWidth = 1;
  int top = 0, left = 0, bottom = 0, right = 0;  // padding
  bool countPadding = false;
  int outHeight() const { return (height + top + bottom - kernelHeight) / strideHeight + 1; }
  int outWidth() const { return (width + left + right - kernelWidth) / strideWidth + 1; }
  std::size_t inSize() const { return static_cast<std::size_t>(batch) * height * width * channels; }
  std::size_t outSize() const { return static_cast<std::size_t>(batch) * outHeight() * outWidth() * channels; }
};

// Calls visit(index in the input, index in the output) for each pair in a window, window rows first.
template <typename Visit>
void ForPoolPairs(const PoolGeometry& g, Visit visit) {
  for (int n = 0; n < g.batch; ++n)
    for (int oy = 0; oy < g.outHeight(); ++oy)
      for (int ox = 0; ox < g.outWidth(); ++ox)
        for (int ky = 0; ky < g.kernelHeight; ++ky)
          for (int kx = 0; kx < g.kernelWidth; ++kx) {
            const int iy = oy * g.strideHeight + ky - g.top, ix = ox * g.strideWidth + kx - g.left;
            if (iy < 0 || iy >= g.height || ix < 0 || ix >= g.width) continue;
            for (int c = 0; c < g.channels; ++c) {
              const auto in = ((static_cast<std::size_t>(n) * g.height + iy) * g.width + ix) * g.channels + c;
              visit(in, ((static_cast<std::size_t>(n) * g.outHeight() + oy) * g.outWidth() + ox) * g.channels + c);
            }
          }
}

// What each output divides its sum by.
template <typename T>
Values<T> PoolCounts(const PoolGeometry& g) {
  if (g.countPadding) return Values<T>(g.outSize(), T(g.kernelHeight * g.kernelWidth));
  Values<T> counts(g.outSize());
  ForPoolPairs(g, [&](auto, auto out) { counts[out] += T(1); });
  return counts;
}

template <typename T>
Values<T> AveragePoolForward(const PoolGeometry& g, const Values<T>& x) {
  const auto counts = PoolCounts<T>(g);
  Values<T> y(g.outSize());
  ForPoolPairs(g, [&](auto in, auto out) { y[out] += x[in] / counts[out]; });
  return y;
}

template <typename T>
Values<T> AveragePoolBackward(const PoolGeometry& g, const Values<T>& dy) {
  const auto counts = PoolCounts<T>(g);
  Values<T> dx(g.inSize());
  ForPoolPairs(g, [&](auto in, auto out) { dx[in] += dy[out] / counts[out]; });
  return dx;
}

template <typename T>
Values<T> MaxPoolForward(const PoolGeometry& g, const Values<T>& x) {
  Values<T> y(g.outSize(), -std::numeric_limits<T>::infinity());
  ForPoolPairs(g, [&](auto in, auto out) { y[out] = std::max(y[out], x[in]); });
  return y;
}

// The first of equal ones takes the gradient.
template <typename T>
Values<T> MaxPoolBackward(const PoolGeometry& g, const Values<T>& x, const Values<T>& dy) {
  const auto y = MaxPoolForward(g, x);
  Values<T> dx(g.inSize());
  std::vector<bool> taken(y.size(), false);
  ForPoolPairs(g, [&](auto in, auto out) {
    if (taken[out] || x[in] != y[out]) return;
    taken[out] = true;
    dx[in] += dy[out];
  });
  return dx;
}

// Rows of `channels` values.
template <typename T>
Values<T> Softmax(const Values<T>& x, int channels) {
  Values<T> y(x.size());
  for (std::size_t row = 0; row < x.size(); row += channels) {
    const T top = *std::max_element(x.begin() + row, x.begin() + row + channels);
    T sum = 0;
    for (int c = 0; c < channels; ++c) sum += y[row + c] = std::exp(x[row + c] - top);
    for (int c = 0; c < channels; ++c) y[row + c] /= sum;
  }
  return y;
}

template <typename T>
struct LossResult {
  T loss = 0;  // mean over the batch
  Values<T> dLogits;
};

// Softmax cross-entropy of (N, classes) logits against smoothed labels.
template <typename T>
LossResult<T> SoftmaxCrossEntropy(const Values<T>& logits, const std::vector<std::uint8_t>& labels, int classes,
                                  T smoothing) {
  const auto batch = labels.size();
  LossResult<T> out{T(0), Values<T>(logits.size())};
  for (std::size_t n = 0; n < batch; ++n) {
    const T* row = &logits[n * classes];
    const T top = *std::max_element(row, row + classes);
    T sum = 0;
    for (int c = 0; c < classes; ++c) sum += std::exp(row[c] - top);
    for (int c = 0; c < classes; ++c) {
      const T target = (c == labels[n] ? T(1) - smoothing : T(0)) + smoothing / T(classes);
      out.loss -= target * (row[c] - top - std::log(sum)) / T(batch);
      out.dLogits[n * classes + c] = (std::exp(row[c] - top) / sum - target) / T(batch);
    }
  }
  return out;
}

}  // namespace lathe::reference
