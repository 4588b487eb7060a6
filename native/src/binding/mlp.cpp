// Mlp: an agent's actor or critic.
#include "agent/mlp.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "binding/convert.h"
#include "binding/guard.h"
#include "binding/register.h"
#include "binding/tags.h"

namespace lathe::binding {
namespace {

constexpr int kMaxUnits = 65536;
constexpr int kMaxBatch = 65536;

class MlpWrap final : public Napi::ObjectWrap<MlpWrap> {
 public:
  static void Register(Napi::Env env, Napi::Object exports) {
    exports.Set("Mlp", DefineClass(env, "Mlp",
                                   {InstanceAccessor<&MlpWrap::ParameterCount>("parameterCount"),
                                    InstanceMethod<&MlpWrap::GetParameters>("getParameters"),
                                    InstanceMethod<&MlpWrap::SetParameters>("setParameters"),
                                    InstanceMethod<&MlpWrap::GetOptimizer>("getOptimizer"),
                                    InstanceMethod<&MlpWrap::SetOptimizer>("setOptimizer"),
                                    InstanceMethod<&MlpWrap::Forward>("forward"),
                                    InstanceMethod<&MlpWrap::Backward>("backward"),
                                    InstanceMethod<&MlpWrap::GetGradients>("getGradients"),
                                    InstanceMethod<&MlpWrap::AdamStep>("adamStep"),
                                    InstanceMethod<&MlpWrap::SoftUpdateFrom>("softUpdateFrom")}));
  }

  explicit MlpWrap(const Napi::CallbackInfo& call) : Napi::ObjectWrap<MlpWrap>(call) {
    const Napi::Env env = call.Env();
    Guard(env, [&] {
      const Napi::Object options = OptionsOf(call);
      std::vector<int> sizes;
      for (const double size : GetNumbers(options, "sizes")) {
        if (!(size >= 1 && size <= kMaxUnits) || size != std::floor(size)) {
          throw Napi::RangeError::New(env, "sizes must be whole numbers of 1..65536");
        }
        sizes.push_back(static_cast<int>(size));
      }
      if (sizes.size() < 2) throw Napi::RangeError::New(env, "sizes must name at least input and output");
      const std::string output = GetString(options, "output");
      if (output != "linear" && output != "sigmoid") {
        throw Napi::RangeError::New(env, "output must be 'linear' or 'sigmoid', found '" + output + "'");
      }
      mlp_ = std::make_unique<Mlp>(std::move(sizes), output == "linear" ? Mlp::Output::kLinear : Mlp::Output::kSigmoid);
      call.This().As<Napi::Object>().TypeTag(&kMlpTag);
    });
  }

 private:
  Napi::Value ParameterCount(const Napi::CallbackInfo& call) {
    return Napi::Number::New(call.Env(), static_cast<double>(mlp_->parameterCount()));
  }
  Napi::Value GetParameters(const Napi::CallbackInfo& call) { return Copy(call.Env(), mlp_->parameters()); }
  Napi::Value GetGradients(const Napi::CallbackInfo& call) { return Copy(call.Env(), mlp_->gradients()); }
  void SetParameters(const Napi::CallbackInfo& call) {
    mlp_->SetParameters(Floats(call[0], "values", mlp_->parameterCount()).data);
  }

  Napi::Value GetOptimizer(const Napi::CallbackInfo& call) {
    auto state = Napi::Object::New(call.Env());
    state.Set("firstMoment", Copy(call.Env(), mlp_->firstMoment()));
    state.Set("secondMoment", Copy(call.Env(), mlp_->secondMoment()));
    state.Set("steps", static_cast<double>(mlp_->steps()));
    return state;
  }
  void SetOptimizer(const Napi::CallbackInfo& call) {
    const Napi::Object state = OptionsOf(call);
    const auto first = Floats(state.Get("firstMoment"), "firstMoment", mlp_->parameterCount());
    const auto second = Floats(state.Get("secondMoment"), "secondMoment", mlp_->parameterCount());
    const int steps = GetInt(state, "steps");
    if (steps < 0) throw Napi::RangeError::New(call.Env(), "steps must not be negative");
    std::copy(first.begin(), first.end(), mlp_->firstMoment().data());
    std::copy(second.begin(), second.end(), mlp_->secondMoment().data());
    mlp_->SetSteps(steps);
  }

  Napi::Value Forward(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      const double rows = call[1].IsNumber() ? call[1].As<Napi::Number>().DoubleValue() : 0;
      if (!(rows >= 1 && rows <= kMaxBatch) || rows != std::floor(rows)) {
        throw Napi::RangeError::New(env, "batch must be a whole number of 1..65536");
      }
      const int batch = static_cast<int>(rows);
      const auto x = Floats(call[0], "x", static_cast<std::size_t>(batch) * mlp_->inputs());
      return MakeFloat32Array(env, mlp_->Forward(x.data, batch), static_cast<std::size_t>(batch) * mlp_->outputs());
    });
  }

  Napi::Value Backward(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    return Guard(env, [&]() -> Napi::Value {
      if (mlp_->batch() == 0) throw Napi::Error::New(env, "backward needs a forward before it");
      const std::size_t batch = mlp_->batch();
      const auto dOutput = Floats(call[0], "dOutput", batch * mlp_->outputs());
      return MakeFloat32Array(env, mlp_->Backward(dOutput.data), batch * mlp_->inputs());
    });
  }

  void AdamStep(const Napi::CallbackInfo& call) {
    const Napi::Object options = OptionsOf(call);
    mlp_->AdamStep({GetNumber(options, "learningRate"), GetNumber(options, "beta1"), GetNumber(options, "beta2"),
                    GetNumber(options, "epsilon")});
  }

  void SoftUpdateFrom(const Napi::CallbackInfo& call) {
    const Napi::Env env = call.Env();
    const MlpWrap& source = *Unwrap(Tagged(call[0], kMlpTag, "source must be an Mlp"));
    if (!call[1].IsNumber()) throw Napi::TypeError::New(env, "tau must be a number");
    if (!mlp_->SameShape(*source.mlp_)) throw Napi::RangeError::New(env, "source must have the same sizes");
    mlp_->SoftUpdateFrom(*source.mlp_, call[1].As<Napi::Number>().DoubleValue());
  }

  static Napi::Value Copy(Napi::Env env, const AlignedFloats& values) {
    return MakeFloat32Array(env, values.data(), values.size());
  }
  static View<float> Floats(const Napi::Value& value, const char* name, std::size_t count) {
    const auto view = ViewOf<float>(value, name);
    if (view.size != count) {
      throw Napi::RangeError::New(value.Env(), std::string(name) + " must have " + std::to_string(count) +
                                                   " values, found " + std::to_string(view.size));
    }
    return view;
  }

  std::unique_ptr<Mlp> mlp_;
};

}  // namespace

void RegisterMlp(Napi::Env env, Napi::Object exports) { MlpWrap::Register(env, exports); }

}  // namespace lathe::binding
