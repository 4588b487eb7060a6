// simulateBismo: cycles of each layer of a network on a bit-serial array. Short (under a microsecond a layer), so it
// runs on the caller's thread.
#include "simulate/bismo.h"

#include <cmath>
#include <string>

#include "binding/guard.h"
#include "binding/register.h"

namespace lathe::binding {
namespace {

using simulate::BismoLayer;
using simulate::BismoLayerKind;
using simulate::BismoTarget;

constexpr std::int64_t kMaxCount = std::int64_t{1} << 31;
constexpr std::int64_t kMaxSide = 4096;

std::int64_t ToInteger(const Napi::Value& value, const std::string& name, std::int64_t low, std::int64_t high) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || number != std::floor(number)) {
    throw Napi::RangeError::New(value.Env(), name + " must be an integer from " + std::to_string(low) + " to " +
                                                 std::to_string(high) + ", found " + value.ToString().Utf8Value());
  }
  return static_cast<std::int64_t>(number);
}

Napi::Object ToObject(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), name + " must be an object");
  return value.As<Napi::Object>();
}

BismoTarget ParseTarget(const Napi::Value& value) {
  const Napi::Object object = ToObject(value, "target");
  const auto field = [&](const char* name, std::int64_t high) {
    return ToInteger(object.Get(name), std::string("target.") + name, 1, high);
  };
  BismoTarget target;
  target.rows = field("rows", kMaxSide);
  target.columns = field("columns", kMaxSide);
  target.word_bits = field("wordBits", 1 << 20);
  target.weight_buffer_words = field("weightBufferWords", kMaxCount);
  target.activation_buffer_words = field("activationBufferWords", kMaxCount);
  target.depthwise_group_channels = field("depthwiseGroupChannels", kMaxSide);
  return target;
}

BismoLayerKind ParseKind(const Napi::Value& value, const std::string& where) {
  const std::string kind = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (kind == "conv") return BismoLayerKind::kConv;
  if (kind == "depthwise") return BismoLayerKind::kDepthwise;
  if (kind == "linear") return BismoLayerKind::kLinear;
  throw Napi::TypeError::New(value.Env(), where + ".kind must be conv, depthwise or linear, found '" + kind + "'");
}

BismoLayer ParseLayer(const Napi::Value& value, std::uint32_t index) {
  const std::string where = "layers[" + std::to_string(index) + "]";
  const Napi::Object object = ToObject(value, where);
  const auto field = [&](const char* name, std::int64_t high) {
    return ToInteger(object.Get(name), where + "." + name, 1, high);
  };
  BismoLayer layer;
  layer.kind = ParseKind(object.Get("kind"), where);
  layer.in_channels = field("inChannels", 1 << 24);
  layer.out_channels = field("outChannels", 1 << 24);
  layer.kernel = field("kernel", 1 << 10);
  layer.out_pixels = field("outPixels", kMaxCount);
  return layer;
}

Napi::Uint8Array ParseBits(const Napi::Value& value, const std::string& name, std::uint32_t layers) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(value.Env(), name + " must be a Uint8Array");
  }
  const auto bits = value.As<Napi::Uint8Array>();
  if (bits.ElementLength() != layers) {
    throw Napi::RangeError::New(value.Env(), name + " must have an entry for each of the " + std::to_string(layers) +
                                                 " layers, found " + std::to_string(bits.ElementLength()));
  }
  for (std::uint32_t i = 0; i < layers; ++i) {
    if (bits[i] < 1 || bits[i] > 8) {
      throw Napi::RangeError::New(
          value.Env(), name + "[" + std::to_string(i) + "] must be from 1 to 8, found " + std::to_string(bits[i]));
    }
  }
  return bits;
}

Napi::Value SimulateBismo(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  return Guard(env, [&]() -> Napi::Value {
    const BismoTarget target = ParseTarget(call[0]);
    if (!call[1].IsArray()) throw Napi::TypeError::New(env, "layers must be an array");
    const auto layers = call[1].As<Napi::Array>();
    const std::uint32_t count = layers.Length();
    const Napi::Uint8Array weight_bits = ParseBits(call[2], "weightBits", count);
    const Napi::Uint8Array activation_bits = ParseBits(call[3], "activationBits", count);
    const std::int64_t batch = ToInteger(call[4], "batch", 1, 1 << 20);

    auto cycles = Napi::Float64Array::New(env, count);
    auto compute_cycles = Napi::Float64Array::New(env, count);
    auto dram_bits = Napi::Float64Array::New(env, count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const Napi::HandleScope scope(env);
      const BismoLayer layer = ParseLayer(layers.Get(i), i);
      const auto cost = simulate::SimulateBismo(target, layer, weight_bits[i], activation_bits[i], batch);
      cycles[i] = static_cast<double>(cost.cycles);
      compute_cycles[i] = static_cast<double>(cost.compute_cycles);
      dram_bits[i] = static_cast<double>(cost.fetched_bits);
    }
    auto result = Napi::Object::New(env);
    result.Set("cycles", cycles);
    result.Set("computeCycles", compute_cycles);
    result.Set("dramBits", dram_bits);
    return result;
  });
}

}  // namespace

void RegisterSimulate(Napi::Env env, Napi::Object exports) {
  exports.Set("simulateBismo", Napi::Function::New(env, SimulateBismo, "simulateBismo"));
}

}  // namespace lathe::binding
