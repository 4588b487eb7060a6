// 1 x 1 convolution, and linear as the same over one pixel: products of (pixels, in) with (in, out).
#include <algorithm>

#include "core/scratch.h"
#include "core/thread_pool.h"
#include "train/op.h"
#include "train/ops/partial_sums.h"

namespace lathe {
namespace {

class Pointwise final : public Op {
 public:
  Pointwise(const OpSpec& spec, WeightParameters parameters)
      : k_(spec.inChannels), n_(spec.outChannels), at_(parameters), linear_(spec.kind == OpKind::kLinear) {}

  void Plan(const Kernels& kernels, int) override {
    forwardWeights_ = AlignedFloats(PackedSize(kernels, k_, n_));
    backwardWeights_ = AlignedFloats(PackedSize(kernels, n_, k_));
    partial_.Resize(PartialSize(), PartialLimit(PartialSize()));
  }

  void PackForTraining(const TrainContext& context) override {
    const float* weight = context.parameters + at_.weight;  // (out, in)
    context.kernels.packColumns(weight, k_, k_, n_, forwardWeights_.data());
    if (in[0]->wantsGradient) context.kernels.packRows(weight, k_, n_, k_, backwardWeights_.data());
  }

  void Forward(const TrainContext& context) override {
    const Kernels& kernels = context.kernels;
    const int rows = Rows(context.batch);
    const Partition chunks(rows, kernels.gemmRows, Work(rows));
    BeginNorm(chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          ForBlocks(kernels, chunks[chunk], [&](int begin, int count) {
            Scratch scratch{static_cast<std::size_t>(count) * k_};
            GemmArgs gemm = ForwardGemm(count, Load(kernels, begin, count, scratch.Next()), out->y + Offset(begin));
            if (at_.bias) {
              gemm.epilogue = Epilogue::kAffine;
              gemm.affine.shift = context.parameters + *at_.bias;
            }
            kernels.gemm(gemm);
            AddToNorm(context, chunk, gemm.c, count);
          });
        },
        context.direction);
    FinishNorm(context, chunks.count());
  }

  void Backward(const TrainContext& context) override {
    const Kernels& kernels = context.kernels;
    const int rows = Rows(context.batch);
    const Partition chunks(rows, kernels.gemmRows, 2 * Work(rows), PartialLimit(PartialSize()));
    const GradientSource source(kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(kernels, *in[0], chunks.count());
    ParallelFor(
        chunks.count(),
        [&](int chunk) {
          float* dWeight = partial_.Of(chunk);  // the first block writes, the others add
          const int first = chunks[chunk].begin;
          ForBlocks(kernels, chunks[chunk], [&](int begin, int count) {
            const std::size_t wide = static_cast<std::size_t>(count) * k_;
            Scratch scratch{wide, static_cast<std::size_t>(count) * n_, wide};
            const float* x = Load(kernels, begin, count, scratch.Next());
            const float* dy = source.Load(begin, count, scratch.Next());
            AddWeightGradient(kernels, count, x, dy, begin == first, dWeight);
            if (!sink.wanted()) return;
            float* direct = sink.Direct(begin * PixelsPerRow());
            float* dx = direct ? direct : scratch.Next();
            GemmArgs gemm;
            gemm.m = count;
            gemm.n = k_;
            gemm.k = n_;
            gemm.a = dy;
            gemm.lda = n_;
            gemm.b = backwardWeights_.data();
            gemm.c = dx;
            gemm.ldc = k_;
            kernels.gemm(gemm);
            if (!direct) sink.Add(chunk, begin * PixelsPerRow(), static_cast<int>(count * PixelsPerRow()), dx);
          });
        },
        context.direction);
    ReduceGradients(context, chunks.count());
  }

  void PrepareInfer(const Kernels& kernels, const InferWeights& weights) override {
    Op::PrepareInfer(kernels, weights);
    inferWeights_ = AlignedFloats(PackedSize(kernels, k_, n_));
    kernels.packColumns(weights.weight, k_, k_, n_, inferWeights_.data());
  }

  void Infer(const InferContext& context) const override {
    // Few rows and many channels: each thread takes all rows and some of the panels, so that weights are read once.
    // Not more cuts than threads need: every one reads all of the input. Results do not depend on them.
    const int rows = Rows(context.images), panel = context.kernels.gemmPanel;
    const bool byPanel = rows < 512 && n_ >= 8 * panel;
    const Partition chunks(byPanel ? n_ : rows, byPanel ? panel : context.kernels.gemmRows, Work(rows),
                           byPanel ? 2 * ThreadCount() : kMaxChunks);
    ParallelFor(chunks.count(), [&](int chunk) {
      const Range range = chunks[chunk];
      const int row = byPanel ? 0 : range.begin, channel = byPanel ? range.begin : 0;
      GemmArgs gemm = ForwardGemm(byPanel ? rows : range.size(), context.inputs[0] + static_cast<std::size_t>(row) * k_,
                                  context.output + Offset(row) + channel);
      gemm.n = byPanel ? range.size() : n_;
      gemm.b = inferWeights_.data() + static_cast<std::ptrdiff_t>(channel) * k_;
      gemm.epilogue = Epilogue::kAffine;
      gemm.affine = InferEpilogue();
      if (gemm.affine.scale) gemm.affine.scale += channel;
      if (gemm.affine.shift) gemm.affine.shift += channel;
      context.kernels.gemm(gemm);
      if (!byPanel) FinishInfer(context.kernels, gemm.c, gemm.m);
    });
    if (byPanel) FinishInfer(context.kernels, context.output, rows);
  }

  std::size_t ScratchFloats(const Kernels& kernels) const override {
    return static_cast<std::size_t>(BlockRows(kernels)) * (2 * static_cast<std::size_t>(k_) + n_);
  }

  std::int64_t WorkPerImage() const override { return Work(Rows(1)); }

 private:
  // Pixels of the input that make one row of the product.
  std::size_t PixelsPerRow() const { return linear_ ? in[0]->shape.pixels() : 1; }
  int Rows(int images) const { return images * static_cast<int>(linear_ ? 1 : in[0]->shape.pixels()); }
  std::int64_t Work(int rows) const { return static_cast<std::int64_t>(rows) * k_ * n_; }
  std::size_t PartialSize() const { return static_cast<std::size_t>(n_) * k_ + (at_.bias ? n_ : 0); }
  std::size_t Offset(int row) const { return static_cast<std::size_t>(row) * n_; }

  const float* Load(const Kernels& kernels, int begin, int count, float* buffer) const {
    return LoadPixels(kernels, *in[0], begin * PixelsPerRow(), static_cast<int>(count * PixelsPerRow()), buffer);
  }

  GemmArgs ForwardGemm(int rows, const float* x, float* y) const {
    GemmArgs gemm;
    gemm.m = rows;
    gemm.n = n_;
    gemm.k = k_;
    gemm.a = x;
    gemm.lda = k_;
    gemm.b = forwardWeights_.data();
    gemm.c = y;
    gemm.ldc = n_;
    return gemm;
  }

  // dWeight (out, in), then dBias (out).
  void AddWeightGradient(const Kernels& kernels, int count, const float* x, const float* dy, bool first,
                         float* dWeight) const {
    GemmArgs gemm;
    gemm.m = n_;
    gemm.n = k_;
    gemm.k = count;
    gemm.a = dy;
    gemm.lda = n_;
    gemm.transposedA = true;
    gemm.b = x;
    gemm.ldb = k_;
    gemm.c = dWeight;
    gemm.ldc = k_;
    gemm.epilogue = first ? Epilogue::kStore : Epilogue::kAccumulate;
    kernels.gemm(gemm);
    if (!at_.bias) return;
    float* dBias = dWeight + static_cast<std::size_t>(n_) * k_;
    if (first) std::fill_n(dBias, n_, 0.0f);
    kernels.columnSum(dy, count, n_, dBias);
  }

  void ReduceGradients(const TrainContext& context, int chunks) {
    // Weight and bias lie behind each other in both places.
    partial_.Reduce(context.kernels, chunks, context.gradients + at_.weight);
  }

  // Rows whose operands stay in the second-level cache (some 32 KiB an operand).
  int BlockRows(const Kernels& kernels) const {
    const int fit = 8192 / std::max(k_, n_);
    return std::max(kernels.gemmRows, fit / kernels.gemmRows * kernels.gemmRows);
  }

  // Cuts a chunk into blocks.
  template <typename Body>
  void ForBlocks(const Kernels& kernels, Range range, Body body) const {
    const int block = BlockRows(kernels);
    for (int begin = range.begin; begin < range.end; begin += block) body(begin, std::min(block, range.end - begin));
  }

  int k_, n_;
  WeightParameters at_;
  bool linear_;
  AlignedFloats forwardWeights_, backwardWeights_, inferWeights_;  // packed
  PartialSums partial_;                                            // dWeight, dBias
};

}  // namespace

std::unique_ptr<Op> MakePointwise(const OpSpec& spec, WeightParameters parameters) {
  return std::make_unique<Pointwise>(spec, parameters);
}

}  // namespace lathe
