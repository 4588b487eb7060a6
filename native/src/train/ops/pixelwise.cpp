// Sum, product and concatenation of tensors, dropout, a constant affine of each channel; and the copy that carries a
// batch norm or an activation that follows nothing it could be merged with.
#include "train/ops/pixelwise.h"

#include "kernels/dropout.h"

namespace lathe {
namespace {

class Identity : public Pixelwise {
 public:
  void Infer(const InferContext& context) const override {
    if (inferAffine_.identity()) {
      std::copy_n(context.inputs[0], Floats(Pixels(context)), context.output);
    } else {
      context.kernels.affine(context.output, context.inputs[0], Pixels(context), out->shape.channels, inferAffine_);
    }
  }

  bool passesSign() const override { return true; }

 protected:
  void Values(const TrainContext& context, int begin, int count, float* y) const override {
    const float* x = Load(context, 0, begin, count, y);
    if (x != y) std::copy_n(x, Floats(count), y);
  }

  void Send(const TrainContext&, const GradientSource& source, const std::vector<GradientSink>& sinks, int chunk,
            int begin, int count) const override {
    if (!sinks[0].wanted()) return;
    Scratch scratch{Floats(count)};
    sinks[0].Add(chunk, begin, count, source.Load(begin, count, scratch.Next()));
  }
};

class Dropout final : public Identity {
 public:
  explicit Dropout(const OpSpec& spec) : probability_(spec.probability) {}

 protected:
  void Values(const TrainContext& context, int begin, int count, float* y) const override {
    Apply(context, Load(context, 0, begin, count, y), begin, count, y);
  }

  void Send(const TrainContext& context, const GradientSource& source, const std::vector<GradientSink>& sinks,
            int chunk, int begin, int count) const override {
    if (!sinks[0].wanted()) return;
    Scratch scratch{Floats(count), Floats(count)};
    float* dx = scratch.Next();
    Apply(context, source.Load(begin, count, scratch.Next()), begin, count, dx);
    sinks[0].Add(chunk, begin, count, dx);
  }

 private:
  // The same draw forward and backward: the mask is never stored.
  void Apply(const TrainContext& context, const float* x, int begin, int count, float* y) const {
    DropoutArgs args;
    args.count = Floats(count);
    args.x = x;
    args.y = y;
    args.key = DropoutKey(context.seed, context.step, spec);
    args.first = static_cast<std::uint32_t>(Floats(begin));
    args.threshold = DropoutThreshold(probability_);
    args.scale = static_cast<float>(1.0 / (1.0 - probability_));
    context.kernels.dropout(args);
  }

  double probability_;
};

class ChannelAffine final : public Pixelwise {
 public:
  ChannelAffine(const OpSpec& spec, ScaleParameters parameters)
      : at_(parameters), scale_(ChannelVectorSize(spec.channels)), shift_(ChannelVectorSize(spec.channels)) {}

  void PackForTraining(const TrainContext& context) override { Pack(context.parameters); }

  void PrepareInfer(const Kernels& kernels, const InferWeights& weights) override {
    Op::PrepareInfer(kernels, weights);
    Pack(weights.parameters);
  }

  void Infer(const InferContext& context) const override {
    context.kernels.affine(context.output, context.inputs[0], Pixels(context), out->shape.channels, Own());
    ApplyInferAffine(context);
  }

 protected:
  void Values(const TrainContext& context, int begin, int count, float* y) const override {
    const float* x = Load(context, 0, begin, count, y);
    context.kernels.affine(y, x, count, out->shape.channels, Own());
  }

  void Send(const TrainContext& context, const GradientSource& source, const std::vector<GradientSink>& sinks,
            int chunk, int begin, int count) const override {
    if (!sinks[0].wanted()) return;
    Scratch scratch{Floats(count), Floats(count)};
    float* dx = scratch.Next();
    Affine slope;
    slope.scale = scale_.data();
    context.kernels.affine(dx, source.Load(begin, count, scratch.Next()), count, out->shape.channels, slope);
    sinks[0].Add(chunk, begin, count, dx);
  }

 private:
  void Pack(const float* parameters) {
    const int channels = out->shape.channels;
    std::copy_n(parameters + at_.scale, channels, scale_.data());
    std::copy_n(parameters + at_.shift, channels, shift_.data());
    MakePeriodic(scale_.data(), channels);
    MakePeriodic(shift_.data(), channels);
  }

  Affine Own() const {
    Affine affine;
    affine.scale = scale_.data();
    affine.shift = shift_.data();
    return affine;
  }

  ScaleParameters at_;
  AlignedFloats scale_, shift_;  // periodic
};

class Add final : public Pixelwise {
 public:
  void Infer(const InferContext& context) const override {
    InferBlocks(context, [&](int begin, int count) {
      float* y = context.output + Floats(begin);
      const float* sum = context.inputs[0] + Floats(begin);
      for (std::size_t i = 1; i < in.size(); ++i, sum = y) {
        context.kernels.add(y, sum, context.inputs[i] + Floats(begin), Floats(count));
      }
      if (!inferAffine_.identity()) context.kernels.affine(y, y, count, out->shape.channels, inferAffine_);
    });
  }

  bool passesSign() const override { return true; }

 protected:
  void Values(const TrainContext& context, int begin, int count, float* y) const override {
    Scratch scratch{Floats(count)};
    float* buffer = scratch.Next();
    const float* sum = Load(context, 0, begin, count, y);
    for (std::size_t i = 1; i < in.size(); ++i, sum = y) {
      context.kernels.add(y, sum, Load(context, i, begin, count, buffer), Floats(count));
    }
  }

  void Send(const TrainContext&, const GradientSource& source, const std::vector<GradientSink>& sinks, int chunk,
            int begin, int count) const override {
    Scratch scratch{Floats(count)};
    const float* dy = source.Load(begin, count, scratch.Next());
    for (const GradientSink& sink : sinks) {
      if (sink.wanted()) sink.Add(chunk, begin, count, dy);
    }
  }
};

class Multiply final : public Pixelwise {
 public:
  void Infer(const InferContext& context) const override {
    context.kernels.multiply(context.output, context.inputs[0], context.inputs[1], Floats(Pixels(context)));
    ApplyInferAffine(context);
  }

  bool passesSign() const override { return true; }

 protected:
  void Values(const TrainContext& context, int begin, int count, float* y) const override {
    Scratch scratch{Floats(count)};
    const float* a = Load(context, 0, begin, count, y);
    context.kernels.multiply(y, a, Load(context, 1, begin, count, scratch.Next()), Floats(count));
  }

  void Send(const TrainContext& context, const GradientSource& source, const std::vector<GradientSink>& sinks,
            int chunk, int begin, int count) const override {
    Scratch scratch{Floats(count), Floats(count), Floats(count)};
    const float* dy = source.Load(begin, count, scratch.Next());
    float* buffer = scratch.Next();
    float* dx = scratch.Next();
    for (std::size_t i = 0; i < 2; ++i) {
      if (!sinks[i].wanted()) continue;
      context.kernels.multiply(dx, dy, Load(context, 1 - i, begin, count, buffer), Floats(count));
      sinks[i].Add(chunk, begin, count, dx);
    }
  }
};

class Concat final : public Pixelwise {
 public:
  void Infer(const InferContext& context) const override {
    int channel = 0;
    for (std::size_t i = 0; i < in.size(); ++i) Place(i, context.inputs[i], Pixels(context), channel, context.output);
    ApplyInferAffine(context);
  }

  bool passesSign() const override { return true; }

 protected:
  void Values(const TrainContext& context, int begin, int count, float* y) const override {
    Scratch scratch{Floats(count)};
    float* buffer = scratch.Next();
    int channel = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      Place(i, Load(context, i, begin, count, buffer), count, channel, y);
    }
  }

  void Send(const TrainContext&, const GradientSource& source, const std::vector<GradientSink>& sinks, int chunk,
            int begin, int count) const override {
    Scratch scratch{Floats(count), Floats(count)};
    const float* dy = source.Load(begin, count, scratch.Next());
    float* dx = scratch.Next();
    std::ptrdiff_t channel = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
      const int own = in[i]->shape.channels;
      if (sinks[i].wanted()) {
        for (int pixel = 0; pixel < count; ++pixel) {
          std::copy_n(dy + Floats(pixel) + channel, own, dx + static_cast<std::ptrdiff_t>(pixel) * own);
        }
        sinks[i].Add(chunk, begin, count, dx);
      }
      channel += own;
    }
  }

 private:
  // An input's pixels to their channels of y, from `channel` on, which moves behind them.
  void Place(std::size_t input, const float* x, int count, int& channel, float* y) const {
    const int own = in[input]->shape.channels;
    for (int pixel = 0; pixel < count; ++pixel) {
      std::copy_n(x + static_cast<std::ptrdiff_t>(pixel) * own, own, y + Floats(pixel) + channel);
    }
    channel += own;
  }
};

}  // namespace

std::unique_ptr<Op> MakeIdentity() { return std::make_unique<Identity>(); }
std::unique_ptr<Op> MakeDropout(const OpSpec& spec) { return std::make_unique<Dropout>(spec); }
std::unique_ptr<Op> MakeChannelAffine(const OpSpec& spec, ScaleParameters parameters) {
  return std::make_unique<ChannelAffine>(spec, parameters);
}
std::unique_ptr<Op> MakeAdd() { return std::make_unique<Add>(); }
std::unique_ptr<Op> MakeMultiply() { return std::make_unique<Multiply>(); }
std::unique_ptr<Op> MakeConcat() { return std::make_unique<Concat>(); }

}  // namespace lathe
