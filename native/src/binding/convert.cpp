#include "binding/convert.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace lathe::binding {
namespace {

[[noreturn]] void Fail(Napi::Env env, const std::string& what) { throw Napi::TypeError::New(env, what); }

template <typename T>
constexpr napi_typedarray_type TypeOf();
template <>
constexpr napi_typedarray_type TypeOf<std::uint8_t>() {
  return napi_uint8_array;
}
template <>
constexpr napi_typedarray_type TypeOf<std::int8_t>() {
  return napi_int8_array;
}
template <>
constexpr napi_typedarray_type TypeOf<std::int32_t>() {
  return napi_int32_array;
}
template <>
constexpr napi_typedarray_type TypeOf<std::uint32_t>() {
  return napi_uint32_array;
}
template <>
constexpr napi_typedarray_type TypeOf<float>() {
  return napi_float32_array;
}
template <>
constexpr napi_typedarray_type TypeOf<double>() {
  return napi_float64_array;
}

constexpr const char* NameOf(napi_typedarray_type type) {
  return type == napi_uint8_array     ? "a Uint8Array"
         : type == napi_int8_array    ? "an Int8Array"
         : type == napi_int32_array   ? "an Int32Array"
         : type == napi_uint32_array  ? "a Uint32Array"
         : type == napi_float32_array ? "a Float32Array"
                                      : "a Float64Array";
}

int ToInt(Napi::Env env, double value, const char* name) {
  if (!(value >= std::numeric_limits<int>::min() && value <= std::numeric_limits<int>::max()) ||
      value != std::floor(value)) {
    Fail(env, std::string(name) + " must be a whole number");
  }
  return static_cast<int>(value);
}

OpKind ToKind(const Napi::Object& op) {
  const std::string name = GetString(op, "kind");
  for (int i = 0; i <= static_cast<int>(OpKind::kSoftmax); ++i) {
    if (name == KindName(static_cast<OpKind>(i))) return static_cast<OpKind>(i);
  }
  Fail(op.Env(), "unknown operator kind '" + name + "'");
}

std::vector<int> GetInts(const Napi::Object& from, const char* name, std::size_t count) {
  std::vector<int> whole;
  for (const double value : GetNumbers(from, name)) whole.push_back(ToInt(from.Env(), value, name));
  if (whole.size() != count) Fail(from.Env(), std::string(name) + " must have " + std::to_string(count) + " numbers");
  return whole;
}

Pair GetPair(const Napi::Object& from, const char* name) {
  const auto pair = GetInts(from, name, 2);
  return {pair[0], pair[1]};
}

Padding GetPadding(const Napi::Object& from) {
  const auto sides = GetInts(from, "padding", 4);
  return {sides[0], sides[1], sides[2], sides[3]};
}

void GetWindow(const Napi::Object& from, OpSpec& spec) {
  spec.kernel = GetPair(from, "kernel");
  spec.stride = GetPair(from, "stride");
  spec.padding = GetPadding(from);
}

}  // namespace

bool Has(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  return !value.IsUndefined() && !value.IsNull();
}

Napi::Object GetObject(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsObject()) Fail(from.Env(), std::string(name) + " must be an object");
  return value.As<Napi::Object>();
}

double GetNumber(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsNumber()) Fail(from.Env(), std::string(name) + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

int GetInt(const Napi::Object& from, const char* name) { return ToInt(from.Env(), GetNumber(from, name), name); }

bool GetBool(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsBoolean()) Fail(from.Env(), std::string(name) + " must be true or false");
  return value.As<Napi::Boolean>().Value();
}

std::string GetString(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsString()) Fail(from.Env(), std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

std::vector<double> GetNumbers(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsArray()) Fail(from.Env(), std::string(name) + " must be an array of numbers");
  const auto array = value.As<Napi::Array>();
  std::vector<double> numbers;
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    if (!element.IsNumber()) Fail(from.Env(), std::string(name) + " must be an array of numbers");
    numbers.push_back(element.As<Napi::Number>().DoubleValue());
  }
  return numbers;
}

Napi::Object OptionsOf(const Napi::CallbackInfo& call) {
  if (!call[0].IsObject()) Fail(call.Env(), "expected an object of options");
  return call[0].As<Napi::Object>();
}

template <typename T>
View<T> ViewOf(const Napi::Value& value, const char* name) {
  bool matches = value.IsTypedArray();
  napi_typedarray_type type = napi_int8_array;
  void* data = nullptr;
  std::size_t length = 0;
  if (matches) {
    // The C call: it does not care whether the memory is shared with other threads.
    matches = napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) == napi_ok &&
              type == TypeOf<T>();
  }
  if (!matches) Fail(value.Env(), std::string(name) + " must be " + NameOf(TypeOf<T>()));
  return {static_cast<T*>(data), length};
}

template <typename T>
View<T> GetView(const Napi::Object& from, const char* name) {
  return ViewOf<T>(from.Get(name), name);
}

template View<std::uint8_t> ViewOf<std::uint8_t>(const Napi::Value&, const char*);
template View<float> ViewOf<float>(const Napi::Value&, const char*);
template View<double> ViewOf<double>(const Napi::Value&, const char*);
template View<std::uint8_t> GetView<std::uint8_t>(const Napi::Object&, const char*);
template View<std::int8_t> GetView<std::int8_t>(const Napi::Object&, const char*);
template View<std::int32_t> GetView<std::int32_t>(const Napi::Object&, const char*);
template View<std::uint32_t> GetView<std::uint32_t>(const Napi::Object&, const char*);
template View<float> GetView<float>(const Napi::Object&, const char*);
template View<double> GetView<double>(const Napi::Object&, const char*);

Napi::Float32Array MakeFloat32Array(Napi::Env env, const float* values, std::size_t count) {
  auto array = Napi::Float32Array::New(env, count);
  if (count > 0) std::memcpy(array.Data(), values, count * sizeof(float));
  return array;
}

Napi::Float64Array MakeFloat64Array(Napi::Env env, const std::vector<double>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(double));
  return array;
}

OpSpec ToOpSpec(const Napi::Object& op) {
  OpSpec spec;
  spec.kind = ToKind(op);
  spec.name = GetString(op, "name");
  spec.output = GetInt(op, "output");
  if (spec.kind == OpKind::kAdd || spec.kind == OpKind::kMul || spec.kind == OpKind::kConcat) {
    for (const double input : GetNumbers(op, "inputs")) spec.inputs.push_back(ToInt(op.Env(), input, "inputs"));
  } else {
    spec.inputs.push_back(GetInt(op, "input"));
  }
  switch (spec.kind) {
    case OpKind::kConv:
      spec.inChannels = GetInt(op, "inChannels");
      spec.outChannels = GetInt(op, "outChannels");
      GetWindow(op, spec);
      spec.dilation = GetPair(op, "dilation");
      spec.groups = GetInt(op, "groups");
      spec.bias = GetBool(op, "bias");
      break;
    case OpKind::kBatchNorm:
      spec.channels = GetInt(op, "channels");
      spec.epsilon = GetNumber(op, "epsilon");
      spec.momentum = GetNumber(op, "momentum");
      break;
    case OpKind::kChannelAffine:
      spec.channels = GetInt(op, "channels");
      break;
    case OpKind::kHardSigmoid:
      spec.alpha = GetNumber(op, "alpha");
      spec.beta = GetNumber(op, "beta");
      break;
    case OpKind::kLeakyRelu:
      spec.alpha = GetNumber(op, "slope");
      break;
    case OpKind::kClip:
      spec.minimum = GetNumber(op, "minimum");
      spec.maximum = GetNumber(op, "maximum");
      break;
    case OpKind::kMaxPool:
      GetWindow(op, spec);
      break;
    case OpKind::kAveragePool:
      GetWindow(op, spec);
      spec.countPadding = GetBool(op, "countPadding");
      break;
    case OpKind::kPad:
      spec.padding = GetPadding(op);
      spec.value = GetNumber(op, "value");
      break;
    case OpKind::kDropout:
      spec.probability = GetNumber(op, "probability");
      break;
    case OpKind::kLinear:
      spec.inChannels = GetInt(op, "inFeatures");
      spec.outChannels = GetInt(op, "outFeatures");
      spec.bias = GetBool(op, "bias");
      break;
    default:
      break;
  }
  return spec;
}

Program ToProgram(const Napi::Object& program) {
  const auto shape = GetNumbers(program, "inputShape");
  if (shape.size() != 3) Fail(program.Env(), "inputShape must be [height, width, channels]");
  Program result;
  result.input = {ToInt(program.Env(), shape[0], "inputShape"), ToInt(program.Env(), shape[1], "inputShape"),
                  ToInt(program.Env(), shape[2], "inputShape")};
  result.classes = GetInt(program, "classes");
  const Napi::Value ops = program.Get("ops");
  if (!ops.IsArray()) Fail(program.Env(), "ops must be an array");
  const auto array = ops.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value op = array.Get(i);
    if (!op.IsObject()) Fail(program.Env(), "ops must be an array of objects");
    result.ops.push_back(ToOpSpec(op.As<Napi::Object>()));
  }
  return result;
}

Napi::Array FromLayout(Napi::Env env, const ParameterLayout& layout, const std::vector<OpSpec>& ops) {
  auto list = Napi::Array::New(env);
  for (const Parameter& p : layout.all()) {
    auto object = Napi::Object::New(env);
    auto shape = Napi::Array::New(env);
    for (const int extent : p.shape) shape.Set(shape.Length(), extent);
    object.Set("op", ops[p.op].name);
    object.Set("role", RoleName(p.role));
    object.Set("offset", static_cast<double>(p.offset));
    object.Set("length", static_cast<double>(p.length));
    object.Set("shape", shape);
    list.Set(list.Length(), object);
  }
  return list;
}

Augmentation ToAugmentation(const Napi::Object& options) {
  if (!Has(options, "augmentation")) return {};
  const Napi::Object from = GetObject(options, "augmentation");
  Augmentation augmentation{GetInt(from, "cropPadding"), GetBool(from, "flip"), GetInt(from, "cutout")};
  constexpr int kMost = 65536;  // keeps sums of pixel positions within int
  if (augmentation.cropPadding < 0 || augmentation.cropPadding > kMost || augmentation.cutout < 0 ||
      augmentation.cutout > kMost) {
    throw Napi::RangeError::New(options.Env(), "augmentation: cropPadding and cutout must be 0..65536");
  }
  return augmentation;
}

}  // namespace lathe::binding
