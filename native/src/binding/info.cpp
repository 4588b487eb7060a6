// info, setThreads, setSimd.
#include "binding/guard.h"
#include "binding/register.h"
#include "core/simd.h"
#include "core/thread_pool.h"
#include "lathe_version.h"

namespace lathe::binding {
namespace {

constexpr int kMaxThreads = 1024;

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

Napi::Value Info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  return Guard(env, [&] {
    auto result = Napi::Object::New(env);
    auto levels = Napi::Array::New(env);
    for (const SimdLevel level : AvailableSimdLevels()) {
      levels.Set(levels.Length(), std::string(SimdName(level)));
    }
    result.Set("version", LATHE_VERSION);
    result.Set("simd", std::string(SimdName(ActiveSimdLevel())));
    result.Set("simdLevels", levels);
    result.Set("cores", PhysicalCores());
    result.Set("threads", ThreadCount());
    result.Set("compiler", kCompiler);
    return result;
  });
}

void SetThreads(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Guard(env, [&] {
    const double threads = call[0].IsNumber() ? call[0].As<Napi::Number>().DoubleValue() : 0;
    if (!(threads >= 1 && threads <= kMaxThreads)) throw Napi::RangeError::New(env, "threads must be 1..1024");
    SetThreadCount(static_cast<int>(threads));
  });
}

void SetSimd(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  Guard(env, [&] {
    const std::string name = call[0].IsString() ? call[0].As<Napi::String>().Utf8Value() : "";
    const auto level = SimdFromName(name);
    if (!level || !SetSimdLevel(*level)) {
      throw Napi::RangeError::New(env, "SIMD level '" + name + "' is not available on this machine");
    }
  });
}

}  // namespace

void RegisterInfo(Napi::Env env, Napi::Object exports) {
  exports.Set("info", Napi::Function::New(env, Info, "info"));
  exports.Set("setThreads", Napi::Function::New(env, SetThreads, "setThreads"));
  exports.Set("setSimd", Napi::Function::New(env, SetSimd, "setSimd"));
}

}  // namespace lathe::binding
