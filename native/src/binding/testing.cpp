// testing: one operator, quantizer or loss alone, as the fast kernel or as its slow twin.
#include <algorithm>
#include <cmath>
#include <map>

#include "binding/convert.h"
#include "binding/dataset.h"
#include "binding/guard.h"
#include "binding/register.h"
#include "binding/testing_integer.h"
#include "kernels/loss.h"
#include "kernels/reference.h"
#include "quantize/linear.h"
#include "train/operator_test.h"

namespace lathe::binding {
namespace {

bool WantsFast(const Napi::Value& implementation) {
  const std::string name = implementation.IsString() ? implementation.As<Napi::String>().Utf8Value() : "";
  if (name != "fast" && name != "reference") {
    throw Napi::RangeError::New(implementation.Env(), "implementation must be 'fast' or 'reference'");
  }
  return name == "fast";
}

std::vector<double> Doubles(const Napi::Value& value, const char* name) {
  const auto view = ViewOf<double>(value, name);
  return {view.begin(), view.end()};
}

std::vector<Shape> Shapes(const Napi::Value& value) {
  std::vector<Shape> shapes;
  const auto list = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    const auto extents = list.Get(i).As<Napi::Array>();
    const auto extent = [&](std::uint32_t side) { return extents.Get(side).ToNumber().Int32Value(); };
    shapes.push_back({extent(0), extent(1), extent(2)});
  }
  return shapes;
}

OperatorCall ToCall(const Napi::Object& from) {
  OperatorCall call;
  call.op = ToOpSpec(GetObject(from, "op"));
  call.batch = GetInt(from, "batch");
  const Shape shape{GetInt(from, "height"), GetInt(from, "width"), GetInt(from, "channels")};
  call.training = GetBool(from, "training");
  if (call.batch < 1 || call.batch > 65536) throw Napi::RangeError::New(from.Env(), "batch must be 1..65536");
  const Napi::Value inputs = from.Get("inputs");
  if (!inputs.IsArray()) throw Napi::TypeError::New(from.Env(), "inputs must be an array");
  const auto array = inputs.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    call.inputs.push_back(Doubles(array.Get(i), "inputs"));
    call.shapes.push_back(shape);
  }
  if (Has(from, "shapes")) call.shapes = Shapes(from.Get("shapes"));
  if (Has(from, "seed")) call.seed = static_cast<std::uint64_t>(GetInt(from, "seed"));
  if (Has(from, "step")) call.step = static_cast<std::uint64_t>(GetInt(from, "step"));
  const Napi::Object parameters = GetObject(from, "parameters");
  const Napi::Array names = parameters.GetPropertyNames();
  for (std::uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
    call.parameters[name] = Doubles(parameters.Get(name), name.c_str());
  }
  if (Has(from, "dOutput")) call.dOutput = Doubles(from.Get("dOutput"), "dOutput");
  return call;
}

Napi::Object ToObject(Napi::Env env, const std::map<std::string, std::vector<double>>& values) {
  auto object = Napi::Object::New(env);
  for (const auto& [name, array] : values) object.Set(name, MakeFloat64Array(env, array));
  return object;
}

Napi::Value RunOperator(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&]() -> Napi::Value {
    const OperatorCall call = ToCall(OptionsOf(info));
    const OperatorResult result = WantsFast(info[1]) ? RunFastOperator(call) : RunReferenceOperator(call);
    auto object = Napi::Object::New(env);
    object.Set("output", MakeFloat64Array(env, result.output));
    if (call.dOutput.empty()) {
      object.Set("dInputs", env.Null());
      object.Set("dParameters", env.Null());
    } else {
      auto list = Napi::Array::New(env);
      for (const auto& gradient : result.dInputs) list.Set(list.Length(), MakeFloat64Array(env, gradient));
      object.Set("dInputs", list);
      object.Set("dParameters", ToObject(env, result.dParameters));
    }
    object.Set("state", ToObject(env, result.state));
    return object;
  });
}

Napi::Value RunQuantizer(const Napi::CallbackInfo& info, const char* name, bool isSigned, const Napi::Value& how) {
  const Napi::Env env = info.Env();
  const auto x = ViewOf<float>(info[0], name);
  Quantizer quantizer;
  const double bits = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : -1;
  if (!(bits >= 1 && bits <= 8) || bits != std::floor(bits)) throw Napi::RangeError::New(env, "bits must be 1..8");
  quantizer.bits = static_cast<int>(bits);
  quantizer.threshold = info[2].IsNumber() ? info[2].As<Napi::Number>().FloatValue() : 0;
  if (!(quantizer.threshold > 0)) throw Napi::RangeError::New(env, "threshold must be positive");
  quantizer.isSigned = isSigned;
  std::vector<float> y(x.size);
  if (WantsFast(how)) {
    Quantize(ActiveKernels(), quantizer, x.data, y.data(), x.size);
  } else {
    std::transform(x.begin(), x.end(), y.begin(), [&](float v) { return reference::Quantize(quantizer, v); });
  }
  return MakeFloat32Array(env, y.data(), y.size());
}

Napi::Value QuantizeWeights(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&] { return RunQuantizer(info, "weights", true, info[3]); });
}
Napi::Value QuantizeActivations(const Napi::CallbackInfo& info) {
  return Guard(info.Env(), [&] { return RunQuantizer(info, "values", info[3].ToBoolean(), info[4]); });
}

Napi::Value RunLoss(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&]() -> Napi::Value {
    const std::vector<double> logits = Doubles(info[0], "logits");
    const auto labels = ViewOf<std::uint8_t>(info[1], "labels");
    const int classes = info[2].IsNumber() ? info[2].As<Napi::Number>().Int32Value() : 0;
    if (classes < 1 || labels.size == 0 || logits.size() != labels.size * classes) {
      throw Napi::RangeError::New(env, "logits must be (labels, classes)");
    }
    if (*std::max_element(labels.begin(), labels.end()) >= classes) {
      throw Napi::RangeError::New(env, "labels must be below classes");
    }
    const double smoothing = info[4].IsNumber() ? info[4].As<Napi::Number>().DoubleValue() : 0;
    double loss = 0;
    std::vector<double> gradient;
    if (WantsFast(info[3])) {
      const std::vector<float> floats(logits.begin(), logits.end());
      std::vector<float> dLogits(floats.size());
      const int batch = static_cast<int>(labels.size);
      loss = SoftmaxCrossEntropy(floats.data(), labels.data, batch, classes, batch, static_cast<float>(smoothing),
                                 dLogits.data())
                 .loss /
             batch;
      gradient.assign(dLogits.begin(), dLogits.end());
    } else {
      auto result = reference::SoftmaxCrossEntropy<double>(logits, {labels.begin(), labels.end()}, classes, smoothing);
      loss = result.loss;
      gradient = std::move(result.dLogits);
    }
    auto object = Napi::Object::New(env);
    object.Set("loss", loss);
    object.Set("dLogits", MakeFloat64Array(env, gradient));
    return object;
  });
}

// One image as training sees it: augmented, then normalised.
Napi::Value LoadImage(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return Guard(env, [&]() -> Napi::Value {
    const Napi::Object options = OptionsOf(info);
    const Dataset& dataset = DatasetWrap::Of(options).dataset();
    const int image = GetInt(options, "image");
    if (image < 0 || static_cast<std::size_t>(image) >= dataset.count()) {
      throw Napi::RangeError::New(env, "image must be below the data set's " + std::to_string(dataset.count()));
    }
    const auto number = [&](const char* name) { return static_cast<std::uint64_t>(GetNumber(options, name)); };
    const Placement placement =
        DrawPlacement(ToAugmentation(options), dataset.shape(), number("seed"), number("step"), image);
    std::vector<float> values(dataset.shape().size());
    dataset.Load(image, placement, values.data());
    return MakeFloat32Array(env, values.data(), values.size());
  });
}

}  // namespace

void RegisterTesting(Napi::Env env, Napi::Object exports) {
  auto testing = Napi::Object::New(env);
  testing.Set("runOperator", Napi::Function::New(env, RunOperator, "runOperator"));
  testing.Set("quantizeWeights", Napi::Function::New(env, QuantizeWeights, "quantizeWeights"));
  testing.Set("quantizeActivations", Napi::Function::New(env, QuantizeActivations, "quantizeActivations"));
  testing.Set("softmaxCrossEntropy", Napi::Function::New(env, RunLoss, "softmaxCrossEntropy"));
  AddIntegerTesting(env, testing);
  AddBenchmarks(env, testing);
  testing.Set("loadImage", Napi::Function::New(env, LoadImage, "loadImage"));
  exports.Set("testing", testing);
}

}  // namespace lathe::binding
