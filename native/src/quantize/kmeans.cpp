#include "quantize/kmeans.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe {
namespace {

// Sorted values, so that a cluster is a range of them and a step of Lloyd's costs a search a centroid.
class SortedValues {
 public:
  explicit SortedValues(std::vector<float> values) : values_(std::move(values)), sums_(values_.size() + 1) {
    std::sort(values_.begin(), values_.end());
    for (std::size_t i = 0; i < values_.size(); ++i) sums_[i + 1] = sums_[i] + values_[i];
  }

  std::size_t size() const { return values_.size(); }
  const std::vector<float>& all() const { return values_; }

  // The first value that is nearer to `right` than to `left`; one in the middle belongs to the left.
  std::size_t Edge(double left, double right) const {
    const double middle = 0.5 * (left + right);
    const auto at = std::upper_bound(values_.begin(), values_.end(), middle,
                                     [](double limit, float value) { return limit < value; });
    return static_cast<std::size_t>(at - values_.begin());
  }
  double Mean(std::size_t from, std::size_t to) const {
    return (sums_[to] - sums_[from]) / static_cast<double>(to - from);
  }

 private:
  std::vector<float> values_;
  std::vector<double> sums_;
};

// k-means++: each next centroid is a value drawn with its squared distance to the nearest centroid so far as weight.
std::vector<double> Seeds(const SortedValues& values, int k, const double* uniforms) {
  const std::vector<float>& all = values.all();
  std::vector<double> distance(all.size(), std::numeric_limits<double>::infinity()), seeds;
  auto next = static_cast<std::size_t>(uniforms[0] * static_cast<double>(all.size()));
  for (int i = 0; i < k; ++i) {
    const double seed = all[std::min(next, all.size() - 1)];
    seeds.push_back(seed);
    double total = 0;
    for (std::size_t j = 0; j < all.size(); ++j) {
      const double d = all[j] - seed;
      distance[j] = std::min(distance[j], d * d);
      total += distance[j];
    }
    if (i + 1 == k || !(total > 0)) break;  // every value is a seed already
    double left = uniforms[i + 1] * total;
    next = 0;
    while (next + 1 < all.size() && left >= distance[next]) left -= distance[next++];
    while (distance[next] == 0 && next > 0) --next;  // rounding ran past the last value with weight
  }
  std::sort(seeds.begin(), seeds.end());
  seeds.erase(std::unique(seeds.begin(), seeds.end()), seeds.end());
  return seeds;
}

std::vector<std::size_t> Edges(const SortedValues& values, const std::vector<double>& centroids) {
  std::vector<std::size_t> edges{0};
  for (std::size_t i = 1; i < centroids.size(); ++i) edges.push_back(values.Edge(centroids[i - 1], centroids[i]));
  edges.push_back(values.size());
  return edges;
}

std::vector<float> Centroids(const SortedValues& values, int k, const ClusterOptions& options) {
  std::vector<double> centroids = Seeds(values, k, options.uniforms);
  for (int iteration = 0; iteration < options.iterations; ++iteration) {
    const auto edges = Edges(values, centroids);
    bool moved = false;
    for (std::size_t i = 0; i < centroids.size(); ++i) {
      if (edges[i] == edges[i + 1]) continue;
      const double mean = values.Mean(edges[i], edges[i + 1]);
      moved = moved || mean != centroids[i];
      centroids[i] = mean;
    }
    if (!moved) break;
  }
  const auto edges = Edges(values, centroids);
  std::vector<float> used;
  for (std::size_t i = 0; i < centroids.size(); ++i) {
    if (edges[i] < edges[i + 1]) used.push_back(static_cast<float>(centroids[i]));
  }
  return used;
}

// The nearest of ascending centroids; the left one of two equally near.
std::uint8_t Nearest(const std::vector<float>& centroids, float value) {
  const auto right = std::lower_bound(centroids.begin(), centroids.end(), value);
  if (right == centroids.begin()) return 0;
  const auto index = static_cast<std::size_t>(right - centroids.begin());
  if (right == centroids.end()) return static_cast<std::uint8_t>(index - 1);
  const double left = value - static_cast<double>(centroids[index - 1]), toRight = *right - static_cast<double>(value);
  return static_cast<std::uint8_t>(left <= toRight ? index - 1 : index);
}

}  // namespace

Codebook ClusterWeights(const float* weights, std::size_t count, const ClusterOptions& options) {
  Codebook book;
  std::vector<float> clustered;
  for (std::size_t i = 0; i < count; ++i) {
    if (!options.keepZeros || weights[i] != 0) clustered.push_back(weights[i]);
  }
  book.keepsZeros = options.keepZeros && clustered.size() < count;
  const int k = (1 << options.bits) - (book.keepsZeros ? 1 : 0);
  if (!clustered.empty()) book.centroids = Centroids(SortedValues(clustered), k, options);
  const std::vector<float> others = book.centroids;
  const auto zero = std::lower_bound(others.begin(), others.end(), 0.0f) - others.begin();
  if (book.keepsZeros) book.centroids.insert(book.centroids.begin() + zero, 0.0f);
  book.assignment.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (book.keepsZeros && weights[i] == 0) {
      book.assignment[i] = static_cast<std::uint8_t>(zero);
      continue;
    }
    // What was not pruned never joins the pruned, however near it is.
    const int nearest = Nearest(others, weights[i]);
    book.assignment[i] = static_cast<std::uint8_t>(book.keepsZeros && nearest >= zero ? nearest + 1 : nearest);
  }
  return book;
}

}  // namespace lathe
