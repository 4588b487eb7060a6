// Batch-norm statistics measured anew with quantized weights and activations: quantization moves the mean and the
// variance of every convolution's output, and at few bits that costs most of the accuracy. The images go through the
// network operator by operator, since each one's statistics depend on those before it.

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "core/partition.h"
#include "core/thread_pool.h"
#include "train/inference.h"

namespace lathe {

bool InferencePass::Recalibrate(int images, const float* parameters, FunctionRef<void(int, float*)> load,
                                const std::atomic<bool>* cancelled, float* measured) {
  for (const Tensor& tensor : graph_->tensors) {
    if (tensor.shape.pixels() * images > kMaxPixels) {
      throw std::invalid_argument("statistics of " + std::to_string(images) + " images are too many for this network");
    }
  }
  std::vector<AlignedFloats> values(graph_->tensors.size());
  std::vector<int> readersLeft;
  for (const Tensor& tensor : graph_->tensors) readersLeft.push_back(tensor.readers);
  const auto allocate = [&](int tensor) {
    values[tensor] = AlignedFloats(graph_->tensors[tensor].shape.size() * images);
    return values[tensor].data();
  };

  const CancelScope scope(cancelled);
  const Partition byImage(images, 1, std::int64_t{1} << 40);  // as many chunks as there may be: images are large
  const int external = graph_->externals[0];
  const std::size_t inputFloats = graph_->tensors[external].shape.size();
  float* input = allocate(external);
  ParallelFor(byImage.count(), [&](int chunk) {
    for (int i = byImage[chunk].begin; i < byImage[chunk].end; ++i) load(i, input + i * inputFloats);
  });

  for (std::size_t i = 0; i < graph_->ops.size(); ++i) {
    if (scope.stop()) return false;
    Op& op = *graph_->ops[i];
    const Shape& shape = op.out->shape;
    const std::size_t outFloats = shape.size(), inFloats = op.in[0]->shape.size();
    const int rowsPerImage = shape.height * shape.width;
    float* out = allocate(op.output);

    // With statistics to measure the operator first stores what batch norm will see.
    std::optional<Norm> norm;
    const Affine folded = op.inferAffine();
    if (op.tail.norm) {
      norm.emplace(shape.channels, op.tail.epsilon, op.tail.momentum, *op.tail.norm);
      norm->BeginForward(byImage.count());
      Affine raw;
      if (steps_[i].size() > 0) raw.scale = steps_[i].data();
      op.setInferAffine(raw);
    }
    ParallelFor(byImage.count(), [&](int chunk) {
      thread_local AlignedFloats quantized;
      for (int begin = byImage[chunk].begin; begin < byImage[chunk].end; begin += capacity_) {
        const int some = std::min(capacity_, byImage[chunk].end - begin);
        InferContext context{kernels_, some, out + begin * outFloats};
        for (std::size_t j = 0; j < op.inputs.size(); ++j) {
          context.inputs[j] = values[op.inputs[j]].data() + begin * op.in[j]->shape.size();
        }
        if (quantizers_[i].activation.bits > 0) {
          const std::size_t floats = inFloats * some;
          if (quantized.size() < floats) quantized = AlignedFloats(floats);
          QuantizeInput(i, context.inputs[0], quantized.data(), floats);
          context.inputs[0] = quantized.data();
        }
        op.Infer(context);
        if (norm) norm->AddRows(kernels_, chunk, context.output, some * rowsPerImage);
      }
    });
    if (scope.stop()) return false;
    if (norm) {
      norm->FinishForward(byImage.count(), parameters);
      // What was stored is without the bias, which the batch's own mean would take out again.
      if (measured) norm->StoreAsRunning(measured, biases_[i] ? parameters + *biases_[i] : nullptr);
      // `folded` points at these vectors, so the operator has its new constants too.
      for (std::size_t c = 0; c < scales_[i].size(); ++c) {
        const int channel = static_cast<int>(c) % shape.channels;
        const double step = quantizers_[i].codesBoth() ? StepOf(quantizers_[i], channel) : 1.0;
        scales_[i][c] = static_cast<float>(step * norm->scale()[c]);
      }
      std::copy_n(norm->shift(), shifts_[i].size(), shifts_[i].data());
      op.setInferAffine(folded);
      const Affine normalised{norm->scale(), norm->shift(), folded.activation, folded.alpha, folded.beta};
      ParallelFor(byImage.count(), [&](int chunk) {
        float* y = out + byImage[chunk].begin * outFloats;
        const int rows = (byImage[chunk].end - byImage[chunk].begin) * rowsPerImage;
        kernels_.affine(y, y, rows, shape.channels, normalised);
      });
    }
    for (const int tensor : op.inputs) {
      if (--readersLeft[tensor] == 0) values[tensor] = AlignedFloats();
    }
  }
  return !scope.stop();
}

}  // namespace lathe
