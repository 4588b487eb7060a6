#include "prune/least_squares.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/thread_pool.h"

namespace lathe {
namespace {

// to += factor * from: loops that run along rows, so that compilers can make vectors of them.
void AddScaled(double* to, const double* from, double factor, int count) {
  for (int i = 0; i < count; ++i) to[i] += factor * from[i];
}

// The upper triangle of a (n, n) becomes U with U^T U = a. False where it is not positive definite.
bool Cholesky(std::vector<double>& a, int n) {
  for (int k = 0; k < n; ++k) {
    double* row = a.data() + static_cast<std::size_t>(k) * n;
    if (!(row[k] > 0)) return false;
    const double inverse = 1.0 / std::sqrt(row[k]);
    for (int j = k; j < n; ++j) row[j] *= inverse;
    for (int i = k + 1; i < n; ++i) {
      if (row[i] != 0) AddScaled(a.data() + static_cast<std::size_t>(i) * n + i, row + i, -row[i], n - i);
    }
  }
  return true;
}

// b (n, m) becomes the solution of U^T U x = b.
void SolveTriangles(const std::vector<double>& u, int n, std::vector<double>& b, int m) {
  const auto row = [&](int i) { return b.data() + static_cast<std::size_t>(i) * m; };
  const auto at = [&](int i, int j) { return u[static_cast<std::size_t>(i) * n + j]; };
  const auto scale = [&](int i, double factor) {
    for (int c = 0; c < m; ++c) row(i)[c] *= factor;
  };
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < i; ++j) AddScaled(row(i), row(j), -at(j, i), m);
    scale(i, 1.0 / at(i, i));
  }
  for (int i = n - 1; i >= 0; --i) {
    for (int j = i + 1; j < n; ++j) AddScaled(row(i), row(j), -at(i, j), m);
    scale(i, 1.0 / at(i, i));
  }
}

}  // namespace

LeastSquares::LeastSquares(Moments moments, const float* weight, int rows) : moments_(std::move(moments)), rows_(rows) {
  const int n = shape().columns();
  weight_.assign(weight, weight + static_cast<std::size_t>(rows) * n);
  std::vector<double> transposed(static_cast<std::size_t>(n) * rows);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < n; ++c)
      transposed[static_cast<std::size_t>(c) * rows + r] = weight_[static_cast<std::size_t>(r) * n + c];
  }
  product_.assign(static_cast<std::size_t>(n) * rows, 0.0);
  ParallelFor(n, [&](int a) {
    const double* second = moments_.second().data() + static_cast<std::size_t>(a) * n;
    double* to = product_.data() + static_cast<std::size_t>(a) * rows;
    for (int b = 0; b < n; ++b) AddScaled(to, transposed.data() + static_cast<std::size_t>(b) * rows, second[b], rows);
  });
  output_.assign(rows, 0.0);
  for (int b = 0; b < n; ++b) {
    AddScaled(output_.data(), transposed.data() + static_cast<std::size_t>(b) * rows, moments_.mean()[b], rows);
  }
}

Reconstructed LeastSquares::Solve(const ReconstructJob& job, double ridge, bool wantError) const {
  const MomentShape& whole = shape();
  const int n = whole.columns(), m = static_cast<int>(job.rows.size());
  std::vector<int> columns;
  for (int tap = 0; tap < whole.taps; ++tap) {
    for (const std::uint32_t channel : job.channels)
      columns.push_back(tap * whole.channels + static_cast<int>(channel));
  }
  const int k = static_cast<int>(columns.size());
  const double *second = moments_.second().data(), *mean = moments_.mean().data();
  const double centered = job.intercept ? 1.0 : 0.0;

  // a = covariance of what stays, b = its covariance with what the layer gave.
  std::vector<double> a(static_cast<std::size_t>(k) * k), b(static_cast<std::size_t>(k) * m);
  double trace = 0;
  for (int i = 0; i < k; ++i) {
    const double* from = second + static_cast<std::size_t>(columns[i]) * n;
    const double mi = centered * mean[columns[i]];
    double* to = a.data() + static_cast<std::size_t>(i) * k;
    for (int j = i; j < k; ++j) to[j] = from[columns[j]] - mi * mean[columns[j]];
    trace += to[i];
    const double* product = product_.data() + static_cast<std::size_t>(columns[i]) * rows_;
    double* right = b.data() + static_cast<std::size_t>(i) * m;
    for (int r = 0; r < m; ++r) right[r] = product[job.rows[r]] - mi * output_[job.rows[r]];
  }
  const double added = std::max(ridge * trace / k, 1e-30);
  if (!std::isfinite(added)) throw std::runtime_error("what enters a layer is not finite: it cannot be reconstructed");
  const auto kept = [&](int r, int i) {
    return static_cast<double>(weight_[static_cast<std::size_t>(job.rows[r]) * n + columns[i]]);
  };
  std::vector<double> solution = b;
  for (int i = 0; i < k; ++i) {
    a[static_cast<std::size_t>(i) * k + i] += added;
    for (int r = 0; r < m; ++r) solution[static_cast<std::size_t>(i) * m + r] += added * kept(r, i);
  }
  std::vector<double> triangle = a;
  if (!Cholesky(triangle, k))
    throw std::runtime_error("what enters a layer is too alike to be reconstructed: raise the ridge");
  SolveTriangles(triangle, k, solution, m);

  Reconstructed result;
  result.weight.resize(static_cast<std::size_t>(m) * k);
  result.shift.assign(m, 0.0f);
  double error = 0, all = 0;
  for (int r = 0; r < m; ++r) {
    double shift = output_[job.rows[r]];
    for (int i = 0; i < k; ++i) {
      const double value = solution[static_cast<std::size_t>(i) * m + r];
      result.weight[static_cast<std::size_t>(r) * k + i] = static_cast<float>(value);
      shift -= value * mean[columns[i]];
    }
    if (job.intercept) result.shift[r] = static_cast<float>(shift);
  }
  if (!wantError) return result;
  for (int r = 0; r < m; ++r) {
    // E[(W x)^2] - 2 W' b + W' a W'^T
    double square = -centered * output_[job.rows[r]] * output_[job.rows[r]];
    for (int c = 0; c < n; ++c) {
      square += static_cast<double>(weight_[static_cast<std::size_t>(job.rows[r]) * n + c]) *
                product_[static_cast<std::size_t>(c) * rows_ + job.rows[r]];
    }
    double fit = 0;
    for (int i = 0; i < k; ++i) {
      const double wi = solution[static_cast<std::size_t>(i) * m + r];
      double row = 0;
      for (int j = 0; j < k; ++j) {
        const double aij = i <= j ? a[static_cast<std::size_t>(i) * k + j] : a[static_cast<std::size_t>(j) * k + i];
        row += (aij - (i == j ? added : 0.0)) * solution[static_cast<std::size_t>(j) * m + r];
      }
      fit += wi * (row - 2 * b[static_cast<std::size_t>(i) * m + r]);
    }
    all += square;
    error += square + fit;
  }
  result.relativeError = all > 0 ? std::max(0.0, error / all) : 0.0;
  return result;
}

}  // namespace lathe
