// What pruning asks of a network: the moments of what enters its layers, and weights for layers that have lost
// channels.
#include <algorithm>

#include "core/thread_pool.h"
#include "train/model.h"

namespace lathe {
namespace {

constexpr int kImagesAtOnce = 64;

}  // namespace

bool Model::CollectMoments(const MomentsJob& job) {
  const auto pass = MakeInference(*job.kernels, {});
  std::vector<Moments> moments;
  std::vector<int> byOp(program_.ops.size(), -1);
  for (const auto& op : pass->graph().ops) {
    if (std::find(job.ops.begin(), job.ops.end(), op->spec) == job.ops.end()) continue;
    byOp[op->spec] = static_cast<int>(moments.size());
    moments.emplace_back(program_.ops[op->spec], op->in[0]->shape, op->out->shape, job.samples,
                         job.seed + static_cast<std::uint64_t>(op->spec) * 0x9e3779b97f4a7c15);
    moments.back().Fit(kImagesAtOnce);
  }
  std::vector<std::pair<int, int>> tiles;  // layer, tile
  for (int layer = 0; layer < static_cast<int>(moments.size()); ++layer) {
    for (int tile = 0; tile < moments[layer].tiles(); ++tile) tiles.emplace_back(layer, tile);
  }
  const std::size_t imageFloats = program_.input.size();
  const int few = pass->capacity();
  for (std::size_t begin = 0; begin < job.count; begin += kImagesAtOnce) {
    const int images = static_cast<int>(std::min<std::size_t>(kImagesAtOnce, job.count - begin));
    ParallelFor((images + few - 1) / few, [&](int chunk) {
      const int first = chunk * few, some = std::min(few, images - first);
      const auto take = [&](const Op& op, const float* x, std::size_t floats) {
        const int layer = byOp[op.spec];
        if (layer < 0) return;
        for (int i = 0; i < some; ++i) {
          moments[layer].Take(first + i, job.indices[begin + first + i], x + i * (floats / some));
        }
      };
      const InferencePass::Observer before = take;
      pass->Run(
          some,
          [&](int, float* input) {
            for (int i = 0; i < some; ++i) job.dataset->Load(job.indices[begin + first + i], input + i * imageFloats);
          },
          job.watch.cancelled, &before);
    });
    if (job.watch.stop()) return false;
    ParallelFor(static_cast<int>(tiles.size()),
                [&](int i) { moments[tiles[i].first].AddTile(tiles[i].second, images); });
    for (Moments& layer : moments) layer.AddRows(images);
    if (job.watch.onProgress) job.watch.onProgress({begin + images, job.count, 0, 0});
  }
  std::vector<LeastSquares> found;
  for (const int op : job.ops) {
    Moments& layer = moments[byOp[op]];
    layer.Finish();
    const Parameter& weight = *layout_.Find(op, Role::kWeight);
    found.emplace_back(std::move(layer), parameters_.data() + weight.offset, weight.shape.front());
  }
  leastSquares_ = std::move(found);
  return true;
}

std::vector<Reconstructed> Model::Reconstruct(const std::vector<ReconstructJob>& jobs, double ridge,
                                              bool wantErrors) const {
  std::vector<Reconstructed> results(jobs.size());
  ParallelFor(static_cast<int>(jobs.size()),
              [&](int i) { results[i] = leastSquares_[jobs[i].layer].Solve(jobs[i], ridge, wantErrors); });
  return results;
}

}  // namespace lathe
