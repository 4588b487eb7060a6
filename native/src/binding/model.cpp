// Model: parameters in and out, and the three long calls.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "binding/async_call.h"
#include "binding/control.h"
#include "binding/convert.h"
#include "binding/dataset.h"
#include "binding/guard.h"
#include "binding/quantization.h"
#include "binding/register.h"
#include "binding/tags.h"
#include "binding/train_options.h"
#include "train/model.h"

namespace lathe::binding {
namespace {

class ModelWrap final : public Napi::ObjectWrap<ModelWrap> {
 public:
  static void Register(Napi::Env env, Napi::Object exports) {
    exports.Set(
        "Model",
        DefineClass(
            env, "Model",
            {InstanceAccessor<&ModelWrap::Parameters>("parameters"),
             InstanceAccessor<&ModelWrap::QuantizableOps>("quantizableOps"),
             InstanceMethod<&ModelWrap::GetState>("getState"), InstanceMethod<&ModelWrap::SetState>("setState"),
             InstanceMethod<&ModelWrap::Train>("train"), InstanceMethod<&ModelWrap::Evaluate>("evaluate"),
             InstanceMethod<&ModelWrap::Calibrate>("calibrate"), InstanceMethod<&ModelWrap::Cluster>("cluster"),
             InstanceMethod<&ModelWrap::CollectMoments>("collectMoments"),
             InstanceMethod<&ModelWrap::Reconstruct>("reconstruct"), InstanceMethod<&ModelWrap::Forward>("forward"),
             InstanceMethod<&ModelWrap::MemoryBytes>("memoryBytes")}));
  }

  explicit ModelWrap(const Napi::CallbackInfo& call) : Napi::ObjectWrap<ModelWrap>(call) {
    Guard(call.Env(), [&] {
      model_ = std::make_shared<Model>(ToProgram(OptionsOf(call)));
      call.This().As<Napi::Object>().TypeTag(&kModelTag);
      ReportMemory(call.Env());
    });
  }

  void Finalize(Napi::Env env) override { Napi::MemoryManagement::AdjustExternalMemory(env, -reportedBytes_); }

 private:
  Napi::Value Parameters(const Napi::CallbackInfo& call) {
    return FromLayout(call.Env(), model_->layout(), model_->program().ops);
  }

  Napi::Value QuantizableOps(const Napi::CallbackInfo& call) {
    auto list = Napi::Array::New(call.Env());
    for (const int op : model_->quantizableOps()) list.Set(list.Length(), model_->program().ops[op].name);
    return list;
  }

  Napi::Value GetState(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    RefuseWhileBusy(env);
    auto state = Napi::Object::New(env);
    state.Set("parameters", MakeFloat32Array(env, model_->parameters().data(), model_->layout().size()));
    Optimizer& optimizer = model_->optimizer();
    state.Set("momentum", MakeFloat32Array(env, optimizer.first().data(), optimizer.first().size()));
    if (optimizer.second().size() > 0) {
      state.Set("secondMoment", MakeFloat32Array(env, optimizer.second().data(), optimizer.second().size()));
    }
    return state;
  }

  void SetState(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    RefuseWhileBusy(env);
    const auto parameters = StateView(call[0], "parameters");
    const auto given = [&](std::size_t i) { return !call[i].IsUndefined() && !call[i].IsNull(); };
    const auto momentum = given(1) ? StateView(call[1], "momentum") : View<float>{};
    const auto second = given(2) ? StateView(call[2], "secondMoment") : View<float>{};
    std::copy(parameters.begin(), parameters.end(), model_->parameters().data());
    Optimizer& optimizer = model_->optimizer();
    if (given(2)) optimizer.Prepare(OptimizerKind::kAdam);
    const auto put = [](const View<float>& from, AlignedFloats& to) {
      std::fill(to.begin(), to.end(), 0.0f);
      std::copy(from.begin(), from.end(), to.begin());
    };
    put(momentum, optimizer.first());
    put(second, optimizer.second());
  }

  View<float> StateView(const Napi::Value& value, const char* name) {
    const auto view = ViewOf<float>(value, name);
    if (view.size != model_->layout().size()) {
      throw Napi::RangeError::New(value.Env(), std::string(name) + " must have " +
                                                   std::to_string(model_->layout().size()) + " values, found " +
                                                   std::to_string(view.size));
    }
    return view;
  }

  // The options' data set, if its images fit this network.
  DatasetWrap& FittingDataset(const Napi::Object& options, bool needsLabels) {
    DatasetWrap& wrap = DatasetWrap::Of(options);
    const Shape &has = wrap.dataset().shape(), &wants = model_->program().input;
    if (has.height != wants.height || has.width != wants.width || has.channels != wants.channels) {
      throw Napi::RangeError::New(options.Env(), "the data set's images do not have the network's input shape");
    }
    if (needsLabels && wrap.dataset().largestLabel() >= model_->program().classes) {
      throw Napi::RangeError::New(options.Env(), "label " + std::to_string(wrap.dataset().largestLabel()) +
                                                     " is not below the network's " +
                                                     std::to_string(model_->program().classes) + " classes");
    }
    return wrap;
  }

  // Tells the garbage collector what the model weighs: a training pass is tens of megabytes and more.
  void ReportMemory(Napi::Env env) {
    const auto bytes = static_cast<std::int64_t>(model_->memoryBytes());
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes - reportedBytes_);
    reportedBytes_ = bytes;
  }

  void RefuseWhileBusy(Napi::Env env) const {
    if (busy_) throw Napi::Error::New(env, "the model is busy with another call; wait for it to end");
  }

  // What the three long calls have in common; marks the model busy.
  AsyncWork Begin(const Napi::CallbackInfo& call, const char* name, const Napi::Object& options, DatasetWrap* dataset) {
    AsyncWork work;
    work.name = name;
    Control* control = Control::Of(options);
    work.cancelled = control ? control->NewFlag() : std::make_shared<std::atomic<bool>>(false);
    if (Has(options, "onProgress")) {
      const Napi::Value listener = options.Get("onProgress");
      if (!listener.IsFunction()) throw Napi::TypeError::New(call.Env(), "onProgress must be a function");
      work.onProgress = listener.As<Napi::Function>();
    }
    work.keepAlive = {call.This().As<Napi::Object>()};
    if (dataset) work.keepAlive.push_back(dataset->Value());
    work.finished = [this](Napi::Env env) {
      busy_ = false;
      ReportMemory(env);
    };
    busy_ = true;
    return work;
  }

  Napi::Value Train(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      RefuseWhileBusy(env);
      const Napi::Object options = OptionsOf(call);
      DatasetWrap& dataset = FittingDataset(options, true);
      struct Call {
        TrainJob job;
        std::vector<std::uint32_t> order;
        std::vector<float> rates;
        TrainResult result;
      };
      auto own = std::make_shared<Call>();
      own->job.dataset = &dataset.dataset();
      own->job.batchSize = BatchSize(options);
      own->order = ImageNumbers(options, "order", dataset.dataset().count());
      const auto rates = GetView<float>(options, "learningRates");
      own->rates.assign(rates.begin(), rates.end());
      own->job.optimizer = ToOptimizer(options);
      own->job.augmentation = ToAugmentation(options);
      own->job.labelSmoothing = static_cast<float>(NumberOr(options, "labelSmoothing", 0));
      own->job.seed = static_cast<std::uint64_t>(NumberOr(options, "seed", 0));
      own->job.firstStep = static_cast<std::uint64_t>(NumberOr(options, "firstStep", 0));
      own->job.steps = own->rates.size();
      FillQuantizedTraining(options, *model_, own->job);
      if (own->order.size() != own->job.steps * own->job.batchSize) {
        throw Napi::RangeError::New(env, "order must have batchSize images for each learning rate");
      }
      own->job.order = own->order.data();
      own->job.learningRates = own->rates.data();

      AsyncWork work = Begin(call, "lathe train", options, &dataset);
      work.work = [model = model_, own](const Watch& watch) {
        own->job.watch = watch;
        own->result = model->Train(own->job);
      };
      work.result = [own](Napi::Env e) -> Napi::Value {
        const TrainResult& r = own->result;
        auto result = Napi::Object::New(e);
        auto correct = Napi::Uint32Array::New(e, r.correct.size());
        std::copy(r.correct.begin(), r.correct.end(), correct.Data());
        result.Set("stepsDone", static_cast<double>(r.stepsDone));
        result.Set("cancelled", r.cancelled);
        result.Set("losses", MakeFloat32Array(e, r.losses.data(), r.losses.size()));
        result.Set("correct", correct);
        result.Set("quantized", FromQuantizedTraining(e, r));
        result.Set("gradientNorms", MakeFloat32Array(e, r.gradientNorms.data(), r.gradientNorms.size()));
        return result;
      };
      return StartAsync(env, std::move(work));
    });
  }

  Napi::Value Evaluate(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      RefuseWhileBusy(env);
      const Napi::Object options = OptionsOf(call);
      DatasetWrap& dataset = FittingDataset(options, true);
      struct Call {
        EvaluateJob job;
        std::vector<std::uint32_t> indices, statisticsIndices;
        EvaluateResult result;
      };
      auto own = std::make_shared<Call>();
      own->indices = ImageNumbers(options, "indices", dataset.dataset().count());
      own->job.dataset = &dataset.dataset();
      own->job.indices = own->indices.data();
      own->job.count = own->indices.size();
      own->job.batchSize = BatchSize(options);
      own->job.wantLogits = Has(options, "wantLogits") && GetBool(options, "wantLogits");
      if (Has(options, "quantization")) own->job.quantizers = ToQuantizers(GetObject(options, "quantization"), *model_);
      own->job.integer = Has(options, "arithmetic") && GetString(options, "arithmetic") == "integer";
      DatasetWrap* statistics = nullptr;
      if (Has(options, "statistics")) {
        const Napi::Object from = GetObject(options, "statistics");
        statistics = &FittingDataset(from, false);
        own->statisticsIndices = ImageNumbers(from, "indices", statistics->dataset().count());
        own->job.statisticsDataset = &statistics->dataset();
        own->job.statisticsIndices = own->statisticsIndices.data();
        own->job.statisticsCount = own->statisticsIndices.size();
        own->job.wantParameters = Has(options, "wantParameters") && GetBool(options, "wantParameters");
      }

      AsyncWork work = Begin(call, "lathe evaluate", options, &dataset);
      if (statistics) work.keepAlive.push_back(statistics->Value());
      work.work = [model = model_, own](const Watch& watch) {
        own->job.watch = watch;
        own->result = model->Evaluate(own->job);
      };
      work.result = [own](Napi::Env e) -> Napi::Value {
        const EvaluateResult& r = own->result;
        auto result = Napi::Object::New(e);
        result.Set("cancelled", r.cancelled);
        result.Set("count", static_cast<double>(r.count));
        result.Set("correct", static_cast<double>(r.correct));
        result.Set("correctTop5", static_cast<double>(r.correctTop5));
        result.Set("meanLoss", r.meanLoss);
        result.Set("logits",
                   own->job.wantLogits ? Napi::Value(MakeFloat32Array(e, r.logits.data(), r.logits.size())) : e.Null());
        result.Set("parameters", own->job.wantParameters
                                     ? Napi::Value(MakeFloat32Array(e, r.parameters.data(), r.parameters.size()))
                                     : e.Null());
        return result;
      };
      return StartAsync(env, std::move(work));
    });
  }

  // The tensor that an operator writes.
  int TensorOf(Napi::Env env, const std::string& name) const {
    for (const OpSpec& op : model_->program().ops) {
      if (op.name == name) return op.output;
    }
    throw Napi::RangeError::New(env, "outputs: the network has no operator '" + name + "'");
  }

  Napi::Value Forward(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      RefuseWhileBusy(env);
      const Napi::Object options = OptionsOf(call);
      struct Call {
        ForwardJob job;
        bool wantsOutputs = false;
        std::vector<std::string> names;
        ForwardResult result;
      };
      auto own = std::make_shared<Call>();
      const auto inputs = GetView<float>(options, "inputs");
      own->job.batch = GetInt(options, "batch");
      if (own->job.batch < 1 || own->job.batch > kMaxBatch) throw Napi::RangeError::New(env, "batch must be 1..65536");
      if (inputs.size != own->job.batch * model_->program().input.size()) {
        throw Napi::RangeError::New(env, "inputs must have the network's input for each image of the batch");
      }
      own->job.inputs.assign(inputs.begin(), inputs.end());
      own->wantsOutputs = Has(options, "outputs");
      if (own->wantsOutputs) {
        const Napi::Value names = options.Get("outputs");
        if (!names.IsArray()) throw Napi::TypeError::New(env, "outputs must be an array of names");
        for (std::uint32_t i = 0; i < names.As<Napi::Array>().Length(); ++i) {
          own->names.push_back(names.As<Napi::Array>().Get(i).ToString().Utf8Value());
          own->job.tensors.push_back(TensorOf(env, own->names.back()));
        }
      }
      AsyncWork work = Begin(call, "lathe forward", options, nullptr);
      work.work = [model = model_, own](const Watch& watch) {
        own->job.watch = watch;
        own->result = model->Forward(own->job);
      };
      work.result = [own](Napi::Env e) -> Napi::Value {
        const ForwardResult& r = own->result;
        if (!own->wantsOutputs) return MakeFloat32Array(e, r.logits.data(), r.logits.size());
        auto outputs = Napi::Object::New(e);
        for (std::size_t i = 0; i < own->names.size(); ++i) {
          outputs.Set(own->names[i], MakeFloat32Array(e, r.values[i].data(), r.values[i].size()));
        }
        return outputs;
      };
      return StartAsync(env, std::move(work));
    });
  }

  Napi::Value MemoryBytes(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      RefuseWhileBusy(env);
      const Napi::Object options = OptionsOf(call);
      const int batch = GetInt(options, "batch");
      if (batch < 1 || batch > kMaxBatch) throw Napi::RangeError::New(env, "batch must be 1..65536");
      try {
        const MemoryNeed need = model_->PeakMemory(ActiveKernels(), batch, ToOptimizer(options).kind);
        auto result = Napi::Object::New(env);
        result.Set("training", static_cast<double>(need.training));
        result.Set("inference", static_cast<double>(need.inference));
        return result;
      } catch (const std::bad_alloc&) {
        throw Napi::Error::New(env, "there is not enough memory for this network at this batch size");
      }
    });
  }

  Napi::Value Calibrate(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      RefuseWhileBusy(env);
      const Napi::Object options = OptionsOf(call);
      DatasetWrap& dataset = FittingDataset(options, false);
      struct Call {
        CalibrateJob job;
        std::vector<std::uint32_t> indices;
        std::vector<Calibration> result;
      };
      auto own = std::make_shared<Call>();
      own->indices = ImageNumbers(options, "indices", dataset.dataset().count());
      if (own->indices.empty()) throw Napi::RangeError::New(env, "indices must name at least one image");
      own->job.dataset = &dataset.dataset();
      own->job.indices = own->indices.data();
      own->job.count = own->indices.size();
      own->job.batchSize = BatchSize(options);
      FillThresholds(options, own->job);

      AsyncWork work = Begin(call, "lathe calibrate", options, &dataset);
      work.work = [model = model_, own](const Watch& watch) {
        own->job.watch = watch;
        own->result = model->Calibrate(own->job);
        if (watch.stop()) throw std::runtime_error("calibration was cancelled");
      };
      work.result = [own](Napi::Env e) -> Napi::Value {
        auto list = Napi::Array::New(e);
        for (const Calibration& c : own->result) {
          auto object = Napi::Object::New(e);
          object.Set("op", c.op);
          object.Set("signed", c.isSigned);
          object.Set("minimum", c.minimum);
          object.Set("maximum", c.maximum);
          object.Set("activationThresholds", MakeFloat32Array(e, c.activationThresholds, 9));
          object.Set("weightThresholds", MakeFloat32Array(e, c.weightThresholds, 9));
          if (!c.channelThresholds.empty()) {
            object.Set("channelThresholds",
                       MakeFloat32Array(e, c.channelThresholds.data(), c.channelThresholds.size()));
          }
          list.Set(list.Length(), object);
        }
        return list;
      };
      return StartAsync(env, std::move(work));
    });
  }

  Napi::Value Cluster(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      RefuseWhileBusy(env);
      const Napi::Object options = OptionsOf(call);
      struct Call {
        ClusterJob job;
        std::vector<double> uniforms;
        std::vector<std::shared_ptr<const Codebook>> result;
      };
      auto own = std::make_shared<Call>();
      const auto bits = GetView<std::uint8_t>(options, "bits");
      const auto uniforms = GetView<double>(options, "uniforms");
      const std::size_t count = model_->quantizableOps().size();
      if (bits.size != count || uniforms.size != count * 256) {
        throw Napi::RangeError::New(env, "bits must have one value, uniforms 256, for each quantizable operator");
      }
      own->job.bits.assign(bits.begin(), bits.end());
      if (std::any_of(bits.begin(), bits.end(), [](int b) { return b > 8; })) {
        throw Napi::RangeError::New(env, "bits must be 0..8");
      }
      own->uniforms.assign(uniforms.begin(), uniforms.end());
      own->job.uniforms = own->uniforms.data();
      own->job.iterations = GetInt(options, "iterations");
      own->job.keepZeros = GetBool(options, "keepZeros");

      AsyncWork work = Begin(call, "lathe cluster", options, nullptr);
      work.work = [model = model_, own](const Watch& watch) {
        own->job.watch = watch;
        own->result = model->Cluster(own->job);
        if (watch.stop()) throw std::runtime_error("clustering was cancelled");
      };
      work.result = [own](Napi::Env e) -> Napi::Value {
        auto list = Napi::Array::New(e);
        for (const auto& book : own->result) list.Set(list.Length(), FromCodebook(e, book.get()));
        return list;
      };
      return StartAsync(env, std::move(work));
    });
  }

  // The operator of a name, which must be a convolution of one group or a linear layer.
  int DenseOp(Napi::Env env, const std::string& name) const {
    const auto& ops = model_->program().ops;
    for (int i = 0; i < static_cast<int>(ops.size()); ++i) {
      const bool dense = ops[i].kind == OpKind::kLinear || (ops[i].kind == OpKind::kConv && ops[i].groups == 1);
      if (ops[i].name == name && dense) return i;
    }
    throw Napi::RangeError::New(env, "ops: '" + name + "' is no convolution of one group and no linear layer");
  }

  Napi::Value CollectMoments(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      RefuseWhileBusy(env);
      const Napi::Object options = OptionsOf(call);
      DatasetWrap& dataset = FittingDataset(options, false);
      struct Call {
        MomentsJob job;
        std::vector<std::uint32_t> indices;
      };
      auto own = std::make_shared<Call>();
      own->indices = ImageNumbers(options, "indices", dataset.dataset().count());
      if (own->indices.empty()) throw Napi::RangeError::New(env, "indices must name at least one image");
      own->job.dataset = &dataset.dataset();
      own->job.indices = own->indices.data();
      own->job.count = own->indices.size();
      own->job.samples = GetInt(options, "samples");
      if (own->job.samples < 1 || own->job.samples > 65536)
        throw Napi::RangeError::New(env, "samples must be 1..65536");
      own->job.seed = static_cast<std::uint64_t>(GetNumber(options, "seed"));
      const Napi::Value names = options.Get("ops");
      if (!names.IsArray()) throw Napi::TypeError::New(env, "ops must be an array of names");
      momentOps_.clear();
      for (std::uint32_t i = 0; i < names.As<Napi::Array>().Length(); ++i) {
        momentOps_.push_back(names.As<Napi::Array>().Get(i).ToString().Utf8Value());
        own->job.ops.push_back(DenseOp(env, momentOps_.back()));
      }
      AsyncWork work = Begin(call, "lathe moments", options, &dataset);
      work.work = [model = model_, own](const Watch& watch) {
        own->job.watch = watch;
        if (!model->CollectMoments(own->job)) throw std::runtime_error("collecting moments was cancelled");
      };
      work.result = [](Napi::Env e) -> Napi::Value { return e.Undefined(); };
      return StartAsync(env, std::move(work));
    });
  }

  // One layer's job: channels and rows within what the layer has, at least one of each.
  ReconstructJob ToReconstructJob(const Napi::Object& from) const {
    const Napi::Env env = from.Env();
    ReconstructJob job;
    const std::string op = GetString(from, "op");
    const auto known = std::find(momentOps_.begin(), momentOps_.end(), op);
    job.layer = static_cast<int>(known - momentOps_.begin());
    if (known == momentOps_.end() || job.layer >= static_cast<int>(model_->leastSquares().size())) {
      throw Napi::RangeError::New(env, "layers: no moments were collected of '" + op + "'");
    }
    const LeastSquares& layer = model_->leastSquares()[job.layer];
    const auto take = [&](const char* name, int limit) {
      const auto view = GetView<std::uint32_t>(from, name);
      const bool outside = std::any_of(view.begin(), view.end(),
                                       [&](std::uint32_t i) { return i >= static_cast<std::uint32_t>(limit); });
      if (view.size == 0 || outside) {
        throw Napi::RangeError::New(env, op + ": " + name + " must name some of " + std::to_string(limit));
      }
      return std::vector<std::uint32_t>(view.begin(), view.end());
    };
    job.channels = take("channels", layer.shape().channels);
    job.rows = take("rows", layer.rows());
    job.intercept = GetBool(from, "intercept");
    return job;
  }

  Napi::Value Reconstruct(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      RefuseWhileBusy(env);
      const Napi::Object options = OptionsOf(call);
      struct Call {
        std::vector<ReconstructJob> jobs;
        double ridge = 0;
        bool wantErrors = false;
        std::vector<Reconstructed> results;
      };
      auto own = std::make_shared<Call>();
      const Napi::Value layers = options.Get("layers");
      if (!layers.IsArray()) throw Napi::TypeError::New(env, "layers must be an array");
      for (std::uint32_t i = 0; i < layers.As<Napi::Array>().Length(); ++i) {
        const Napi::Value layer = layers.As<Napi::Array>().Get(i);
        if (!layer.IsObject()) throw Napi::TypeError::New(env, "layers must be an array of objects");
        own->jobs.push_back(ToReconstructJob(layer.As<Napi::Object>()));
      }
      own->ridge = GetNumber(options, "ridge");
      own->wantErrors = Has(options, "wantErrors") && GetBool(options, "wantErrors");
      AsyncWork work = Begin(call, "lathe reconstruct", options, nullptr);
      work.work = [model = model_, own](const Watch&) {
        own->results = model->Reconstruct(own->jobs, own->ridge, own->wantErrors);
      };
      work.result = [own](Napi::Env e) -> Napi::Value {
        auto list = Napi::Array::New(e);
        for (const Reconstructed& r : own->results) {
          auto object = Napi::Object::New(e);
          object.Set("weight", MakeFloat32Array(e, r.weight.data(), r.weight.size()));
          object.Set("shift", MakeFloat32Array(e, r.shift.data(), r.shift.size()));
          object.Set("relativeError", own->wantErrors ? Napi::Value(Napi::Number::New(e, r.relativeError)) : e.Null());
          list.Set(list.Length(), object);
        }
        return list;
      };
      return StartAsync(env, std::move(work));
    });
  }

  std::shared_ptr<Model> model_;
  std::vector<std::string> momentOps_;  // of the last collectMoments, in its order
  bool busy_ = false;                   // JavaScript's thread alone reads and writes it
  std::int64_t reportedBytes_ = 0;
};

}  // namespace

void RegisterModel(Napi::Env env, Napi::Object exports) {
  Control::Register(env, exports);
  DatasetWrap::Register(env, exports);
  ModelWrap::Register(env, exports);
}

}  // namespace lathe::binding
