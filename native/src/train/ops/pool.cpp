// Maximum and average under a sliding window.
#include "train/ops/imagewise.h"

namespace lathe {
namespace {

class Pool final : public Imagewise {
 public:
  explicit Pool(const OpSpec& spec) : spec_(spec), most_(spec.kind == OpKind::kMaxPool) {}

  void Forward(const TrainContext& context) override {
    ForwardImages(context, [&](int image, float* y) {
      Scratch scratch{in[0]->shape.size()};
      Run(context.kernels, LoadImage(context, *in[0], image, scratch.Next()), y);
    });
  }

  void Backward(const TrainContext& context) override {
    const Partition chunks = Chunks(context.batch);
    const GradientSource source(context.kernels, *out, context.parameters, context.gradients);
    const GradientSink sink(context.kernels, *in[0], chunks.count());
    if (!sink.wanted()) return;
    ForImages(context, chunks, [&](int chunk, int image) {
      Scratch scratch{in[0]->shape.size(), in[0]->shape.size(), out->shape.size()};
      PoolArgs args = Args();
      args.dx = scratch.Next();
      std::fill_n(args.dx, in[0]->shape.size(), 0.0f);
      float* buffer = scratch.Next();
      if (most_) args.x = LoadImage(context, *in[0], image, buffer);
      args.y = OutputOf(image);
      args.dy = LoadGradient(source, image, scratch.Next());
      most_ ? context.kernels.maxPoolBackward(args) : context.kernels.averagePoolBackward(args);
      SendImage(sink, *in[0], chunk, image, args.dx);
    });
  }

  void Infer(const InferContext& context) const override {
    for (int image = 0; image < context.images; ++image) {
      Run(context.kernels, context.inputs[0] + image * in[0]->shape.size(), context.output + image * out->shape.size());
    }
    ApplyInferAffine(context);
  }

  std::int64_t WorkPerImage() const override {
    return static_cast<std::int64_t>(out->shape.size()) * spec_.kernel.height * spec_.kernel.width * 2;
  }

  bool passesSign() const override { return true; }

 private:
  PoolArgs Args() const {
    const Shape &x = in[0]->shape, &y = out->shape;
    PoolArgs args;
    args.height = x.height;
    args.width = x.width;
    args.channels = x.channels;
    args.outHeight = y.height;
    args.outWidth = y.width;
    args.kernelHeight = spec_.kernel.height;
    args.kernelWidth = spec_.kernel.width;
    args.strideHeight = spec_.stride.height;
    args.strideWidth = spec_.stride.width;
    args.top = spec_.padding.top;
    args.left = spec_.padding.left;
    args.countPadding = spec_.countPadding;
    return args;
  }

  void Run(const Kernels& kernels, const float* x, float* y) const {
    PoolArgs args = Args();
    args.x = x;
    args.y = y;
    most_ ? kernels.maxPool(args) : kernels.averagePool(args);
  }

  OpSpec spec_;
  bool most_;
};

}  // namespace

std::unique_ptr<Op> MakePool(const OpSpec& spec) { return std::make_unique<Pool>(spec); }

}  // namespace lathe
