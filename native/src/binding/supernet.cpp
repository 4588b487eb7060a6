// Supernet: a network of which one path runs at a time.
#include <algorithm>
#include <memory>

#include "binding/async_call.h"
#include "binding/control.h"
#include "binding/convert.h"
#include "binding/dataset.h"
#include "binding/guard.h"
#include "binding/register.h"
#include "binding/tags.h"
#include "binding/train_options.h"
#include "train/supernet.h"

namespace lathe::binding {
namespace {

std::vector<OpSpec> ToOps(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be an array of operators");
  const auto array = value.As<Napi::Array>();
  std::vector<OpSpec> ops;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value op = array.Get(i);
    if (!op.IsObject()) throw Napi::TypeError::New(value.Env(), std::string(name) + " must be an array of operators");
    ops.push_back(ToOpSpec(op.As<Napi::Object>()));
  }
  return ops;
}

class SupernetWrap final : public Napi::ObjectWrap<SupernetWrap> {
 public:
  static void Register(Napi::Env env, Napi::Object exports) {
    exports.Set("Supernet", DefineClass(env, "Supernet",
                                        {InstanceAccessor<&SupernetWrap::Parameters>("parameters"),
                                         InstanceMethod<&SupernetWrap::GetState>("getState"),
                                         InstanceMethod<&SupernetWrap::SetState>("setState"),
                                         InstanceMethod<&SupernetWrap::Train>("train"),
                                         InstanceMethod<&SupernetWrap::Gates>("gates")}));
  }

  explicit SupernetWrap(const Napi::CallbackInfo& call) : Napi::ObjectWrap<SupernetWrap>(call) {
    Guard(call.Env(), [&] {
      supernet_ = std::make_shared<Supernet>(ToOps(call[0], "ops"));
      ReportMemory(call.Env());
    });
  }

  void Finalize(Napi::Env env) override { Napi::MemoryManagement::AdjustExternalMemory(env, -reportedBytes_); }

 private:
  Napi::Value Parameters(const Napi::CallbackInfo& call) {
    return FromLayout(call.Env(), supernet_->layout(), supernet_->ops());
  }

  Napi::Value GetState(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    RefuseWhileBusy(env);
    auto state = Napi::Object::New(env);
    state.Set("parameters", MakeFloat32Array(env, supernet_->parameters().data(), supernet_->layout().size()));
    const AlignedFloats& momentum = supernet_->optimizer().first();
    state.Set("momentum", MakeFloat32Array(env, momentum.data(), momentum.size()));
    return state;
  }

  void SetState(const Napi::CallbackInfo& call) {
    RefuseWhileBusy(call.Env());
    const auto parameters = StateView(call[0], "parameters");
    const bool given = !call[1].IsUndefined() && !call[1].IsNull();
    const auto momentum = given ? StateView(call[1], "momentum") : View<float>{};
    std::copy(parameters.begin(), parameters.end(), supernet_->parameters().data());
    AlignedFloats& first = supernet_->optimizer().first();
    std::fill(first.begin(), first.end(), 0.0f);
    std::copy(momentum.begin(), momentum.end(), first.begin());
  }

  View<float> StateView(const Napi::Value& value, const char* name) {
    const auto view = ViewOf<float>(value, name);
    if (view.size != supernet_->layout().size()) {
      throw Napi::RangeError::New(value.Env(), std::string(name) + " must have " +
                                                   std::to_string(supernet_->layout().size()) + " values, found " +
                                                   std::to_string(view.size));
    }
    return view;
  }

  void ReportMemory(Napi::Env env) {
    const auto bytes = static_cast<std::int64_t>(supernet_->memoryBytes());
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes - reportedBytes_);
    reportedBytes_ = bytes;
  }

  void RefuseWhileBusy(Napi::Env env) const {
    if (busy_) throw Napi::Error::New(env, "the supernet is busy with another call; wait for it to end");
  }

  // A path that can be trained on these images: checked as a model's program is.
  static Program ToPath(const Napi::Value& value, const Dataset& dataset) {
    if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), "a path must be a program");
    Program path = ToProgram(value.As<Napi::Object>());
    CheckProgram(path);
    const Shape &has = dataset.shape(), &wants = path.input;
    if (has.height != wants.height || has.width != wants.width || has.channels != wants.channels) {
      throw Napi::RangeError::New(value.Env(), "the data set's images do not have the path's input shape");
    }
    if (dataset.largestLabel() >= path.classes) {
      throw Napi::RangeError::New(value.Env(), "the data set has labels that the path has no class for");
    }
    return path;
  }

  AsyncWork Begin(const Napi::CallbackInfo& call, const char* name, const Napi::Object& options, DatasetWrap& dataset) {
    AsyncWork work;
    work.name = name;
    Control* control = Control::Of(options);
    work.cancelled = control ? control->NewFlag() : std::make_shared<std::atomic<bool>>(false);
    work.keepAlive = {call.This().As<Napi::Object>(), dataset.Value()};
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
      DatasetWrap& dataset = DatasetWrap::Of(options);
      struct Call {
        TrainJob job;
        std::vector<std::uint32_t> order;
        std::vector<float> rates;
        std::vector<Program> paths;
        TrainResult result;
      };
      auto own = std::make_shared<Call>();
      own->job.dataset = &dataset.dataset();
      own->job.batchSize = BatchSize(options);
      own->order = ImageNumbers(options, "order", dataset.dataset().count());
      const auto rates = GetView<float>(options, "learningRates");
      own->rates.assign(rates.begin(), rates.end());
      const Napi::Value paths = options.Get("paths");
      if (!paths.IsArray() || paths.As<Napi::Array>().Length() != own->rates.size() || own->rates.empty()) {
        throw Napi::RangeError::New(env, "paths must be an array with a program for each learning rate");
      }
      for (std::uint32_t i = 0; i < own->rates.size(); ++i) {
        own->paths.push_back(ToPath(paths.As<Napi::Array>().Get(i), dataset.dataset()));
      }
      own->job.optimizer = ToOptimizer(options);
      own->job.augmentation = ToAugmentation(options);
      own->job.labelSmoothing = static_cast<float>(NumberOr(options, "labelSmoothing", 0));
      own->job.seed = static_cast<std::uint64_t>(NumberOr(options, "seed", 0));
      own->job.firstStep = static_cast<std::uint64_t>(NumberOr(options, "firstStep", 0));
      own->job.steps = own->rates.size();
      if (own->order.size() != own->job.steps * own->job.batchSize) {
        throw Napi::RangeError::New(env, "order must have batchSize images for each learning rate");
      }
      own->job.order = own->order.data();
      own->job.learningRates = own->rates.data();

      AsyncWork work = Begin(call, "lathe supernet train", options, dataset);
      work.work = [supernet = supernet_, own](const Watch& watch) {
        own->job.watch = watch;
        own->result = supernet->Train(own->job, own->paths);
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
        result.Set("gradientNorms", MakeFloat32Array(e, r.gradientNorms.data(), r.gradientNorms.size()));
        return result;
      };
      return StartAsync(env, std::move(work));
    });
  }

  // An edge whose tensors exist on the path, and whose candidates give what the edge gives.
  static GateEdge ToEdge(const Napi::Object& from, const std::vector<Shape>& shapes) {
    const int tensors = static_cast<int>(shapes.size());
    const auto tensor = [&](const char* name, int least) {
      const int number = GetInt(from, name);
      if (number >= least && number < tensors) return number;
      throw Napi::RangeError::New(from.Env(), std::string(name) + ": the path has no tensor " + std::to_string(number));
    };
    GateEdge edge;
    edge.input = tensor("input", 0);
    edge.output = tensor("output", 1);
    edge.active = Has(from, "active") ? tensor("active", 1) : -1;
    const auto fits = [&](const Shape& shape) {
      const Shape& wanted = shapes[edge.output];
      return shape.height == wanted.height && shape.width == wanted.width && shape.channels == wanted.channels;
    };
    if (edge.active >= 0 && !fits(shapes[edge.active])) {
      throw Napi::RangeError::New(from.Env(), "active: its shape is not that of the edge's output");
    }
    const Napi::Value others = from.Get("others");
    if (!others.IsArray()) throw Napi::TypeError::New(from.Env(), "others must be an array of candidates");
    for (std::uint32_t i = 0; i < others.As<Napi::Array>().Length(); ++i) {
      edge.others.push_back(ToOps(others.As<Napi::Array>().Get(i), "a candidate"));
      if (edge.others.back().empty() || !fits(InferShapes(edge.others.back(), {shapes[edge.input]}).back())) {
        throw Napi::RangeError::New(from.Env(), "a candidate's shape is not that of the edge's output");
      }
    }
    return edge;
  }

  Napi::Value Gates(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      RefuseWhileBusy(env);
      const Napi::Object options = OptionsOf(call);
      DatasetWrap& dataset = DatasetWrap::Of(options);
      struct Call {
        GateJob job;
        std::vector<std::uint32_t> order;
        Program path;
        GateResult result;
      };
      auto own = std::make_shared<Call>();
      own->order = ImageNumbers(options, "order", dataset.dataset().count());
      if (own->order.empty() || own->order.size() > kMaxBatch) {
        throw Napi::RangeError::New(env, "order must have 1..65536 images");
      }
      own->path = ToPath(options.Get("path"), dataset.dataset());
      const auto shapes = CheckProgram(own->path);
      const Napi::Value edges = options.Get("edges");
      if (!edges.IsArray()) throw Napi::TypeError::New(env, "edges must be an array");
      for (std::uint32_t i = 0; i < edges.As<Napi::Array>().Length(); ++i) {
        const Napi::Value edge = edges.As<Napi::Array>().Get(i);
        if (!edge.IsObject()) throw Napi::TypeError::New(env, "edges must be an array of objects");
        own->job.edges.push_back(ToEdge(edge.As<Napi::Object>(), shapes));
      }
      own->job.path = &own->path;
      own->job.step.dataset = &dataset.dataset();
      own->job.step.order = own->order.data();
      own->job.step.batchSize = static_cast<int>(own->order.size());
      own->job.step.steps = 1;

      AsyncWork work = Begin(call, "lathe supernet gates", options, dataset);
      work.work = [supernet = supernet_, own](const Watch& watch) {
        own->job.step.watch = watch;
        own->result = supernet->Gates(own->job);
      };
      work.result = [own](Napi::Env e) -> Napi::Value {
        const GateResult& r = own->result;
        auto result = Napi::Object::New(e);
        result.Set("cancelled", r.cancelled);
        result.Set("loss", r.loss);
        result.Set("correct", r.correct);
        result.Set("gates", MakeFloat64Array(e, r.gates));
        result.Set("pathBytes", static_cast<double>(r.pathBytes));
        result.Set("peakBytes", static_cast<double>(r.peakBytes));
        return result;
      };
      return StartAsync(env, std::move(work));
    });
  }

  std::shared_ptr<Supernet> supernet_;
  bool busy_ = false;  // JavaScript's thread alone reads and writes it
  std::int64_t reportedBytes_ = 0;
};

}  // namespace

void RegisterSupernet(Napi::Env env, Napi::Object exports) { SupernetWrap::Register(env, exports); }

}  // namespace lathe::binding
