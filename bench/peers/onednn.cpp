// oneDNN as a peer: reads one request a line, answers with one line of milliseconds, a repeat each. Memory is laid out
// as oneDNN likes it best (format_tag::any) and reordered before the clock starts.
//   threads N
//   conv infer|forward|backwardData|backwardWeights REPEATS BATCH HEIGHT WIDTH IN OUT KERNEL STRIDE PADDING GROUPS
//   train REPEATS BATCH HEIGHT WIDTH CHANNELS LAYERS, then one line a layer: see Network
#include <omp.h>
#include <xmmintrin.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "dnnl.hpp"

namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;
using Tag = memory::format_tag;
using Dims = memory::dims;
using Arguments = std::unordered_map<int, memory>;

dnnl::engine& Engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}
dnnl::stream& Stream() {
  static dnnl::stream stream(Engine());
  return stream;
}

memory::desc Describe(const Dims& dims, Tag tag) { return {dims, memory::data_type::f32, tag}; }

memory Allocate(const memory::desc& desc, float scale = 1.0f) {
  memory result(desc, Engine());
  auto* values = static_cast<float*>(result.get_data_handle());
  std::minstd_rand random(7);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  for (std::size_t i = 0; i < desc.get_size() / sizeof(float); ++i) values[i] = uniform(random);
  return result;
}

void Print(const std::vector<double>& times) {
  for (const double ms : times) std::printf("%.6f ", ms);
  std::printf("\n");
  std::fflush(stdout);
}

std::vector<double> Time(int repeats, const std::function<void()>& work) {
  work();
  std::vector<double> times(repeats);
  for (double& ms : times) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  }
  return times;
}

struct ConvShape {
  memory::dim batch = 1, height = 1, width = 1, in = 1, out = 1, kernel = 1, stride = 1, padding = 0, groups = 1;
  memory::dim outHeight() const { return (height + 2 * padding - kernel) / stride + 1; }
  memory::dim outWidth() const { return (width + 2 * padding - kernel) / stride + 1; }
  Dims x() const { return {batch, in, height, width}; }
  Dims y() const { return {batch, out, outHeight(), outWidth()}; }
  Dims weight() const {
    return groups == 1 ? Dims{out, in, kernel, kernel} : Dims{groups, out / groups, in / groups, kernel, kernel};
  }
};

// The three passes of a convolution, sharing descriptors.
struct Conv {
  explicit Conv(const ConvShape& shape, prop_kind kind, const memory::desc* x = nullptr, bool wantData = true) {
    const auto any = [](const Dims& dims) { return Describe(dims, Tag::any); };
    const auto xDesc = x ? *x : any(shape.x());
    const Dims strides{shape.stride, shape.stride}, padding{shape.padding, shape.padding};
    forward = {{kind, algorithm::convolution_direct, xDesc, any(shape.weight()), any(shape.y()), strides, padding, padding},
               Engine()};
    if (kind == prop_kind::forward_inference) return;
    if (wantData) {
      data = {{algorithm::convolution_direct, any(shape.x()), any(shape.weight()), any(shape.y()), strides, padding, padding},
              Engine(),
              forward};
    }
    weights = {{algorithm::convolution_direct, any(shape.x()), any(shape.weight()), any(shape.y()), strides, padding, padding},
               Engine(),
               forward};
  }
  dnnl::convolution_forward::primitive_desc forward;
  dnnl::convolution_backward_data::primitive_desc data;
  dnnl::convolution_backward_weights::primitive_desc weights;
};

void RunConv(std::istringstream& line) {
  std::string pass;
  int repeats = 0;
  ConvShape s;
  line >> pass >> repeats >> s.batch >> s.height >> s.width >> s.in >> s.out >> s.kernel >> s.stride >> s.padding >> s.groups;
  if (!line) throw std::runtime_error("conv: bad line");
  const Conv conv(s, pass == "infer" ? prop_kind::forward_inference : prop_kind::forward_training);
  dnnl::primitive primitive;
  Arguments arguments;
  if (pass == "infer" || pass == "forward") {
    primitive = dnnl::convolution_forward(conv.forward);
    arguments = {{DNNL_ARG_SRC, Allocate(conv.forward.src_desc())},
                 {DNNL_ARG_WEIGHTS, Allocate(conv.forward.weights_desc())},
                 {DNNL_ARG_DST, Allocate(conv.forward.dst_desc())}};
  } else if (pass == "backwardData") {
    primitive = dnnl::convolution_backward_data(conv.data);
    arguments = {{DNNL_ARG_DIFF_SRC, Allocate(conv.data.diff_src_desc())},
                 {DNNL_ARG_WEIGHTS, Allocate(conv.data.weights_desc())},
                 {DNNL_ARG_DIFF_DST, Allocate(conv.data.diff_dst_desc())}};
  } else if (pass == "backwardWeights") {
    primitive = dnnl::convolution_backward_weights(conv.weights);
    arguments = {{DNNL_ARG_SRC, Allocate(conv.weights.src_desc())},
                 {DNNL_ARG_DIFF_WEIGHTS, Allocate(conv.weights.diff_weights_desc())},
                 {DNNL_ARG_DIFF_DST, Allocate(conv.weights.diff_dst_desc())}};
  } else {
    throw std::runtime_error("unknown pass " + pass);
  }
  Print(Time(repeats, [&] {
    primitive.execute(Stream(), arguments);
    Stream().wait();
  }));
}

// A training step put together from primitives: convolutions, batch norm with fused ReLU, global average pooling, inner
// product, softmax cross-entropy. Layer lines: "conv IN OUT KERNEL STRIDE PADDING GROUPS" (batch norm and ReLU follow), at
// the end "classes N". Weights stay in the layout that the forward pass likes; where a backward pass wants another one the
// reorder is part of the step, as it would be in a real framework. SGD with momentum is a plain loop over all weights.
class Network {
 public:
  Network(memory::dim batch, memory::dim height, memory::dim width, memory::dim channels) : batch_(batch) {
    x_ = Allocate(Describe({batch, channels, height, width}, Tag::nhwc));
    height_ = height;
    width_ = width;
  }

  void AddConv(ConvShape s) {
    s.batch = batch_;
    s.height = height_;
    s.width = width_;
    const bool first = forward_.empty();
    const memory::desc* fixed = nullptr;  // each convolution chooses its layouts; reorders between them are counted
    const Conv conv(s, prop_kind::forward_training, fixed, !first);
    memory x = Reordered(x_, conv.forward.src_desc(), forward_);
    memory w = Allocate(conv.forward.weights_desc(), 0.1f), dw = Allocate(conv.forward.weights_desc(), 0.0f);
    memory y = Allocate(conv.forward.dst_desc());
    Add(forward_, dnnl::convolution_forward(conv.forward), {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, y}});

    const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift |
                       dnnl::normalization_flags::fuse_norm_relu;
    const dnnl::batch_normalization_forward::primitive_desc norm(
        {prop_kind::forward_training, y.get_desc(), 1e-5f, flags}, Engine());
    memory z = Allocate(norm.dst_desc()), mean = Allocate(norm.mean_desc()), variance = Allocate(norm.variance_desc());
    const auto vector = Describe({s.out}, Tag::x);
    memory gamma = Allocate(vector), beta = Allocate(vector), dGamma = Allocate(vector), dBeta = Allocate(vector);
    memory mask = memory(norm.workspace_desc(), Engine());
    Add(forward_, dnnl::batch_normalization_forward(norm),
        {{DNNL_ARG_SRC, y}, {DNNL_ARG_DST, z}, {DNNL_ARG_MEAN, mean}, {DNNL_ARG_VARIANCE, variance},
         {DNNL_ARG_SCALE, gamma}, {DNNL_ARG_SHIFT, beta}, {DNNL_ARG_WORKSPACE, mask}});

    // Backward, to be run in reverse order: called with the gradient of z, returns that of x.
    backward_.push_back([=, this](memory dz) {
      Steps steps;
      dz = Reordered(dz, z.get_desc(), steps);
      const dnnl::batch_normalization_backward::primitive_desc back(
          {prop_kind::backward, z.get_desc(), y.get_desc(), 1e-5f, flags}, Engine(), norm);
      memory dy = Allocate(y.get_desc());
      Add(steps, dnnl::batch_normalization_backward(back),
          {{DNNL_ARG_SRC, y}, {DNNL_ARG_DIFF_DST, dz}, {DNNL_ARG_DIFF_SRC, dy}, {DNNL_ARG_MEAN, mean},
           {DNNL_ARG_VARIANCE, variance}, {DNNL_ARG_SCALE, gamma}, {DNNL_ARG_SHIFT, beta}, {DNNL_ARG_DIFF_SCALE, dGamma},
           {DNNL_ARG_DIFF_SHIFT, dBeta}, {DNNL_ARG_WORKSPACE, mask}});
      memory xw = Reordered(x, conv.weights.src_desc(), steps), dyw = Reordered(dy, conv.weights.diff_dst_desc(), steps);
      memory dwOwn = dw.get_desc() == conv.weights.diff_weights_desc() ? dw : Allocate(conv.weights.diff_weights_desc());
      Add(steps, dnnl::convolution_backward_weights(conv.weights),
          {{DNNL_ARG_SRC, xw}, {DNNL_ARG_DIFF_WEIGHTS, dwOwn}, {DNNL_ARG_DIFF_DST, dyw}});
      if (!(dwOwn.get_desc() == dw.get_desc())) AddReorder(steps, dwOwn, dw);
      memory dx;
      if (!first) {
        memory wd = Reordered(w, conv.data.weights_desc(), steps), dyd = Reordered(dy, conv.data.diff_dst_desc(), steps);
        dx = Allocate(conv.data.diff_src_desc());
        Add(steps, dnnl::convolution_backward_data(conv.data),
            {{DNNL_ARG_DIFF_SRC, dx}, {DNNL_ARG_WEIGHTS, wd}, {DNNL_ARG_DIFF_DST, dyd}});
      }
      backwardSteps_.insert(backwardSteps_.end(), steps.begin(), steps.end());
      return dx;
    });
    AddTrained(w, dw);
    AddTrained(gamma, dGamma);
    AddTrained(beta, dBeta);
    x_ = z;
    height_ = s.outHeight();
    width_ = s.outWidth();
    channels_ = s.out;
  }

  void AddClassifier(memory::dim classes) {
    const Dims window{height_, width_}, zero{0, 0};
    const dnnl::pooling_forward::primitive_desc pool(
        {prop_kind::forward_training, algorithm::pooling_avg, x_.get_desc(), Describe({batch_, channels_, 1, 1}, Tag::any), window,
         window, zero, zero},
        Engine());
    memory pooled = Allocate(pool.dst_desc());
    Add(forward_, dnnl::pooling_forward(pool), {{DNNL_ARG_SRC, x_}, {DNNL_ARG_DST, pooled}});
    const auto flat = Describe({batch_, channels_}, Tag::nc), logitsDesc = Describe({batch_, classes}, Tag::nc);
    memory features = Allocate(flat), logits = Allocate(logitsDesc), dLogits = Allocate(logitsDesc), probabilities = Allocate(logitsDesc);
    memory pooledFlat(Describe({batch_, channels_, 1, 1}, Tag::nchw), Engine(), features.get_data_handle());
    AddReorder(forward_, pooled, pooledFlat);
    const auto wDesc = Describe({classes, channels_}, Tag::any);
    const auto bDesc = Describe({classes}, Tag::x);
    const dnnl::inner_product_forward::primitive_desc product({prop_kind::forward_training, flat, wDesc, bDesc, logitsDesc}, Engine());
    memory w = Allocate(product.weights_desc(), 0.01f), dw = Allocate(product.weights_desc()), b = Allocate(bDesc, 0.0f), db = Allocate(bDesc);
    Add(forward_, dnnl::inner_product_forward(product),
        {{DNNL_ARG_SRC, features}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, b}, {DNNL_ARG_DST, logits}});
    const dnnl::softmax_forward::primitive_desc softmax({prop_kind::forward_training, logitsDesc, 1}, Engine());
    Add(forward_, dnnl::softmax_forward(softmax), {{DNNL_ARG_SRC, logits}, {DNNL_ARG_DST, probabilities}});
    loss_ = [=, batch = batch_] {
      const auto* p = static_cast<const float*>(probabilities.get_data_handle());
      auto* d = static_cast<float*>(dLogits.get_data_handle());
      for (memory::dim i = 0; i < batch * classes; ++i) d[i] = (p[i] - (i % classes == (i / classes) % classes)) / batch;
    };
    const dnnl::inner_product_backward_weights::primitive_desc backWeights({flat, product.weights_desc(), bDesc, logitsDesc}, Engine(), product);
    Add(backwardSteps_, dnnl::inner_product_backward_weights(backWeights),
        {{DNNL_ARG_SRC, features}, {DNNL_ARG_DIFF_DST, dLogits}, {DNNL_ARG_DIFF_WEIGHTS, dw}, {DNNL_ARG_DIFF_BIAS, db}});
    const dnnl::inner_product_backward_data::primitive_desc backData({flat, product.weights_desc(), logitsDesc}, Engine(), product);
    memory dFeatures = Allocate(flat);
    Add(backwardSteps_, dnnl::inner_product_backward_data(backData),
        {{DNNL_ARG_DIFF_SRC, dFeatures}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DIFF_DST, dLogits}});
    memory dPooledFlat(Describe({batch_, channels_, 1, 1}, Tag::nchw), Engine(), dFeatures.get_data_handle());
    memory dPooled = Allocate(pooled.get_desc());
    held_.push_back(dFeatures);
    held_.push_back(features);
    AddReorder(backwardSteps_, dPooledFlat, dPooled);
    const dnnl::pooling_backward::primitive_desc poolBack(
        {algorithm::pooling_avg, x_.get_desc(), pooled.get_desc(), window, window, zero, zero}, Engine(), pool);
    memory gradient = Allocate(x_.get_desc());
    Add(backwardSteps_, dnnl::pooling_backward(poolBack), {{DNNL_ARG_DIFF_SRC, gradient}, {DNNL_ARG_DIFF_DST, dPooled}});
    AddTrained(w, dw);
    AddTrained(b, db);
    for (auto layer = backward_.rbegin(); layer != backward_.rend(); ++layer) gradient = (*layer)(gradient);
  }

  void Step() {
    for (auto& step : forward_) step.first.execute(Stream(), step.second);
    Stream().wait();
    loss_();
    for (auto& step : backwardSteps_) step.first.execute(Stream(), step.second);
    Stream().wait();
    for (auto& trained : trained_) {
      auto* w = static_cast<float*>(trained.weight.get_data_handle());
      const auto* g = static_cast<const float*>(trained.gradient.get_data_handle());
      float* v = trained.velocity.data();
      const auto count = static_cast<std::ptrdiff_t>(trained.velocity.size());
#pragma omp parallel for simd if (count > 4096)
      for (std::ptrdiff_t i = 0; i < count; ++i) {
        v[i] = 0.9f * v[i] + g[i];
        w[i] -= 1e-4f * v[i];
      }
    }
  }

 private:
  using Steps = std::vector<std::pair<dnnl::primitive, Arguments>>;
  struct Trained {
    memory weight, gradient;
    std::vector<float> velocity;
  };

  static void Add(Steps& steps, dnnl::primitive primitive, Arguments arguments) {
    steps.emplace_back(std::move(primitive), std::move(arguments));
  }
  static void AddReorder(Steps& steps, memory from, memory to) {
    Add(steps, dnnl::reorder(from, to), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  }
  static memory Reordered(memory from, const memory::desc& desc, Steps& steps) {
    if (from.get_desc() == desc) return from;
    memory to = Allocate(desc);
    AddReorder(steps, from, to);
    return to;
  }
  void AddTrained(memory weight, memory gradient) {
    trained_.push_back({weight, gradient, std::vector<float>(weight.get_desc().get_size() / sizeof(float))});
  }

  memory::dim batch_, height_ = 0, width_ = 0, channels_ = 0;
  memory x_;
  Steps forward_, backwardSteps_;
  std::vector<std::function<memory(memory)>> backward_;
  std::function<void()> loss_;
  std::vector<Trained> trained_;
  std::vector<memory> held_;
};

void RunTraining(std::istringstream& line) {
  int repeats = 0, layers = 0;
  memory::dim batch = 0, height = 0, width = 0, channels = 0;
  line >> repeats >> batch >> height >> width >> channels >> layers;
  if (!line) throw std::runtime_error("train: bad line");
  Network network(batch, height, width, channels);
  for (int i = 0; i < layers; ++i) {
    std::string text, kind;
    if (!std::getline(std::cin, text)) throw std::runtime_error("train: a layer is missing");
    std::istringstream layer(text);
    layer >> kind;
    if (kind == "conv") {
      ConvShape s;
      layer >> s.in >> s.out >> s.kernel >> s.stride >> s.padding >> s.groups;
      if (!layer) throw std::runtime_error("train: bad layer " + text);
      network.AddConv(s);
    } else if (kind == "classes") {
      memory::dim classes = 0;
      layer >> classes;
      network.AddClassifier(classes);
    } else {
      throw std::runtime_error("train: unknown layer " + text);
    }
  }
  Print(Time(repeats, [&] { network.Step(); }));
}

}  // namespace

int main() {
  std::string text;
  while (std::getline(std::cin, text)) {
    std::istringstream line(text);
    std::string verb;
    line >> verb;
    try {
      if (verb == "threads") {
        int threads = 1;
        line >> threads;
        omp_set_num_threads(threads);
        std::printf("ok\n");
        std::fflush(stdout);
      } else if (verb == "conv") {
        RunConv(line);
      } else if (verb == "train") {
        RunTraining(line);
      } else {
        throw std::runtime_error("unknown request " + verb);
      }
    } catch (const std::exception& error) {
      std::printf("error %s\n", error.what());
      std::fflush(stdout);
    }
  }
}
