// testing.benchmark*: timings without JavaScript in between, for bench/.
#include <string>

#include "binding/convert.h"
#include "binding/guard.h"
#include "binding/register.h"
#include "train/benchmark.h"

namespace lathe::binding {
namespace {

constexpr int kMaxRepeats = 100000;

int InRange(const Napi::Object& from, const char* name, int most) {
  const int value = GetInt(from, name);
  if (value < 1 || value > most) {
    throw Napi::RangeError::New(from.Env(), std::string(name) + " must be 1.." + std::to_string(most));
  }
  return value;
}

BenchmarkPass ToPass(const Napi::Object& from) {
  const std::string name = GetString(from, "pass");
  if (name == "infer") return BenchmarkPass::kInfer;
  if (name == "forward") return BenchmarkPass::kForward;
  if (name == "backward") return BenchmarkPass::kBackward;
  if (name == "backwardWeights") return BenchmarkPass::kBackwardWeights;
  throw Napi::RangeError::New(from.Env(), "pass must be 'infer', 'forward', 'backward' or 'backwardWeights'");
}

Napi::Value Operator(const Napi::CallbackInfo& call) {
  return Guard(call.Env(), [&]() -> Napi::Value {
    const Napi::Object from = OptionsOf(call);
    const Shape shape{GetInt(from, "height"), GetInt(from, "width"), GetInt(from, "channels")};
    return MakeFloat64Array(call.Env(),
                            BenchmarkOperator(ToOpSpec(GetObject(from, "op")), InRange(from, "batch", 65536), shape,
                                              ToPass(from), InRange(from, "repeats", kMaxRepeats)));
  });
}

template <auto kBenchmark>
Napi::Value Network(const Napi::CallbackInfo& call) {
  return Guard(call.Env(), [&]() -> Napi::Value {
    const Napi::Object from = OptionsOf(call);
    return MakeFloat64Array(call.Env(), kBenchmark(ToProgram(GetObject(from, "program")), InRange(from, "batch", 65536),
                                                   InRange(from, "repeats", kMaxRepeats)));
  });
}

Napi::Value MachineRoofs(const Napi::CallbackInfo& call) {
  return Guard(call.Env(), [&]() -> Napi::Value {
    const Roofs roofs = MeasureRoofs();
    auto object = Napi::Object::New(call.Env());
    object.Set("fmaGflops", roofs.fmaGflops);
    object.Set("memoryGbPerSecond", roofs.memoryGbPerSecond);
    return object;
  });
}

}  // namespace

void AddBenchmarks(Napi::Env env, Napi::Object testing) {
  testing.Set("benchmarkOperator", Napi::Function::New(env, Operator, "benchmarkOperator"));
  testing.Set("benchmarkInference", Napi::Function::New(env, Network<BenchmarkInference>, "benchmarkInference"));
  testing.Set("benchmarkInteger", Napi::Function::New(env, Network<BenchmarkInteger>, "benchmarkInteger"));
  testing.Set("benchmarkTraining", Napi::Function::New(env, Network<BenchmarkTraining>, "benchmarkTraining"));
  testing.Set("roofs", Napi::Function::New(env, MachineRoofs, "roofs"));
}

}  // namespace lathe::binding
