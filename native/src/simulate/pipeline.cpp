// The steady-state form. With b the time until which the bus is promised (through load t), l the end of load t and c
// the end of compute t - 1, a step and the edge behind it (which loads L and stores S) make
//   l' = b + L    c' = max(l, c) + C    b' = max(b + L, c') + S
// which is linear in (max, +): a 3 x 3 matrix. b is never below c, so that the half-buffer that load t + 1 waits for is
// free when the bus is.
#include "simulate/pipeline.h"

#include <algorithm>

namespace lathe::simulate {
namespace {

// Far below any time, and far enough from the ends of the range to be added to itself.
constexpr std::int64_t kNever = -(std::int64_t{1} << 60);

// Rows are l', c', b'; columns l, c, b.
struct Matrix {
  std::int64_t at[3][3];
};

Matrix StepMatrix(std::int64_t compute, std::int64_t load, std::int64_t store) {
  return {{{kNever, kNever, load}, {compute, compute, kNever}, {compute + store, compute + store, load + store}}};
}

// First `first`, then `second`.
Matrix Then(const Matrix& first, const Matrix& second) {
  Matrix result;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) {
      std::int64_t best = kNever;
      for (int k = 0; k < 3; ++k) best = std::max(best, second.at[i][k] + first.at[k][j]);
      result.at[i][j] = best;
    }
  }
  return result;
}

// `count` times; at least 1.
Matrix Power(Matrix base, std::int64_t count) {
  while ((count & 1) == 0) {
    base = Then(base, base);
    count >>= 1;
  }
  Matrix result = base;
  for (count >>= 1; count > 0; count >>= 1) {
    base = Then(base, base);
    if ((count & 1) != 0) result = Then(result, base);
  }
  return result;
}

// What happens on the bus between two steps.
struct Edge {
  std::int64_t load = 0;
  std::int64_t store = 0;
};

// Where the reduction stands, as far as traffic asks.
struct Reduction {
  bool first = true;
  bool last = true;
};

class NestWalk {
 public:
  explicit NestWalk(const Nest& nest) : nest_(nest) {
    for (int l = nest.depth - 1; l >= 0; --l) {
      inner_tensors_[l] = inner_tensors_[l + 1];
      inner_rest_[l] = inner_rest_[l + 1];
      inner_reduction_[l] = inner_reduction_[l + 1];
      const Level& level = nest.levels[l];
      if (level.count > 1) inner_tensors_[l] |= level.tensors;
      if (level.rest) inner_rest_[l] |= 1 << l;
      if (level.reduction) inner_reduction_[l] = true;
    }
  }

  std::int64_t Cycles() const {
    const Nest::Sizes& first = nest_.sizes[0];
    const Nest::Sizes& last = nest_.sizes[inner_rest_[0]];
    const std::int64_t load = first.weight + first.input;
    const Matrix all = Block(0, 0, {}, {0, last.output});
    // Before the first step: l = b = the first load, c = 0.
    return std::max({all.at[2][0] + load, all.at[2][1], all.at[2][2] + load});
  }

 private:
  // Levels from `l` inward, with the outer ones standing at the tile class `mask`; `exit` follows the last step.
  Matrix Block(int l, int mask, Reduction reduction, Edge exit) const {
    if (l == nest_.depth) return StepMatrix(nest_.sizes[mask].compute, exit.load, exit.store);
    const Level& level = nest_.levels[l];
    const std::int64_t n = level.count;
    if (n == 1) return Block(l + 1, mask, level.reduction ? Reduction{} : reduction, exit);
    const auto one = [&](std::int64_t i) { return Iteration(l, i, mask, reduction, exit); };
    // A reduction's first and last steps differ from the others in what they load and store.
    const std::int64_t head = level.reduction ? 1 : 0;
    const std::int64_t tail = level.reduction || level.rest ? 2 : 1;
    if (n <= head + tail) {
      Matrix result = one(0);
      for (std::int64_t i = 1; i < n; ++i) result = Then(result, one(i));
      return result;
    }
    Matrix result = Power(one(head), n - head - tail);
    if (head == 1) result = Then(one(0), result);
    for (std::int64_t i = n - tail; i < n; ++i) result = Then(result, one(i));
    return result;
  }

  // Iteration i of level l, with the edge to the next one or out of the loop.
  Matrix Iteration(int l, std::int64_t i, int mask, Reduction reduction, Edge exit) const {
    const Level& level = nest_.levels[l];
    const std::int64_t n = level.count;
    const auto class_at = [&](std::int64_t at) { return mask | (level.rest && at == n - 1 ? 1 << l : 0); };
    const auto reduction_at = [&](std::int64_t at) {
      return level.reduction ? Reduction{at == 0, at == n - 1} : reduction;
    };
    if (i + 1 < n) {
      const std::uint8_t changed = level.tensors | inner_tensors_[l + 1];
      const bool starts_anew = inner_reduction_[l + 1];
      const Nest::Sizes& done = nest_.sizes[class_at(i) | inner_rest_[l + 1]];
      const Nest::Sizes& next = nest_.sizes[class_at(i + 1)];
      exit = {};
      if ((changed & kWeight) != 0) exit.load += next.weight;
      if ((changed & kInput) != 0) exit.load += next.input;
      if ((changed & kOutput) != 0) {
        if (!starts_anew && !reduction_at(i + 1).first) exit.load += next.partial;
        exit.store = starts_anew || reduction_at(i).last ? done.output : done.partial;
      }
    }
    return Block(l + 1, class_at(i), reduction_at(i), exit);
  }

  const Nest& nest_;
  std::array<std::uint8_t, kMaxLevels + 1> inner_tensors_{};  // that change with level l or further in
  std::array<int, kMaxLevels + 1> inner_rest_{};              // the class of the last step from level l inward
  std::array<bool, kMaxLevels + 1> inner_reduction_{};
};

}  // namespace

std::int64_t SteadyState(const Nest& nest) { return NestWalk(nest).Cycles(); }

}  // namespace lathe::simulate
