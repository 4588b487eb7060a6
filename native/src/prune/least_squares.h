// The weights of a layer that has lost input channels, so that it computes what it computed before as nearly as it can.
//   min over W', c of  E || W x - W' x_k - c ||^2  +  ridge * || W' - W_k ||^2
// x is all that entered the layer, x_k what of it stays, W_k its weights on that. Drawn towards W_k and not towards 0,
// the result with everything kept is W exactly, and channels that are always 0 (or that others repeat) keep a
// definite value.
#pragma once

#include <cstdint>
#include <vector>

#include "prune/moments.h"

namespace lathe {

struct ReconstructJob {
  int layer = 0;                        // index into the layers
  std::vector<std::uint32_t> channels;  // input channels that stay, ascending
  std::vector<std::uint32_t> rows;      // output channels that stay
  bool intercept = true;                // whether a constant (a bias, a running mean) can follow
};
struct Reconstructed {
  std::vector<float> weight;  // (rows, taps, channels), those that stay
  std::vector<float> shift;   // (rows): c, to be added to what the new weights give
  double relativeError = 0;   // of the expected square; where wanted
};

// A layer's moments with its weights as they were.
class LeastSquares {
 public:
  // weight is (rows, taps, channels).
  LeastSquares(Moments moments, const float* weight, int rows);

  // `ridge` is relative to the mean of x_k's variances. Throws std::runtime_error where the moments are not finite.
  Reconstructed Solve(const ReconstructJob& job, double ridge, bool wantError) const;

  const MomentShape& shape() const { return moments_.shape(); }
  int rows() const { return rows_; }

 private:
  Moments moments_;
  int rows_;
  std::vector<float> weight_;    // (rows, columns)
  std::vector<double> product_;  // (columns, rows): E[x x^T] W^T
  std::vector<double> output_;   // (rows): W E[x]
};

}  // namespace lathe
