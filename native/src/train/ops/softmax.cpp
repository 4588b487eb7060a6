// Softmax over channels, in inference alone: in training the loss takes logits and has its own.
#include <cmath>
#include <stdexcept>

#include "train/ops/imagewise.h"

namespace lathe {
namespace {

class Softmax final : public Op {
 public:
  explicit Softmax(const OpSpec& spec) : name_(spec.name) {}

  void Plan(const Kernels&, int) override {
    throw std::invalid_argument("operator '" + name_ +
                                "': softmax is not trained; the loss takes logits, so leave it out of the network");
  }
  void Forward(const TrainContext&) override {}   // Plan has refused
  void Backward(const TrainContext&) override {}  // Plan has refused

  void Infer(const InferContext& context) const override {
    const int channels = out->shape.channels;
    const std::size_t pixels = context.images * out->shape.pixels();
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
      const float* x = context.inputs[0] + pixel * channels;
      float* y = context.output + pixel * channels;
      const float top = *std::max_element(x, x + channels);  // subtracted so that no exponential overflows
      float sum = 0;
      for (int c = 0; c < channels; ++c) sum += y[c] = std::exp(x[c] - top);
      for (int c = 0; c < channels; ++c) y[c] /= sum;
    }
    ApplyInferAffine(context);
  }

  bool neverNegative() const override { return true; }

 private:
  std::string name_;
};

}  // namespace

std::unique_ptr<Op> MakeSoftmax(const OpSpec& spec) { return std::make_unique<Softmax>(spec); }

}  // namespace lathe
