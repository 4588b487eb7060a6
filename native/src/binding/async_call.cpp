#include "binding/async_call.h"

#include <chrono>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include "core/denormals.h"

namespace lathe::binding {
namespace {

constexpr auto kProgressInterval = std::chrono::milliseconds(100);

class AsyncCall {
 public:
  // The thread wakes JavaScript without data; what there is to say stands here.
  static void OnWake(Napi::Env env, Napi::Function onProgress, AsyncCall* call, void*) {
    if (env == nullptr) return;  // the environment is ending: nobody listens
    call->Deliver(env, onProgress);
  }
  using Wake = Napi::TypedThreadSafeFunction<AsyncCall, void, OnWake>;

  static Napi::Promise Start(Napi::Env env, AsyncWork work) {
    auto* call = new AsyncCall(env, std::move(work));  // owned by wake_'s finalizer
    Napi::Promise promise = call->deferred_.Promise();
    napi_add_env_cleanup_hook(env, OnEnvironmentEnd, call);  // runs before wake_'s own hook: last in, first out
    call->thread_ = std::thread([call] { call->Run(); });
    return promise;
  }

 private:
  AsyncCall(Napi::Env env, AsyncWork work)
      : env_(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        cancelled_(std::move(work.cancelled)),
        work_(std::move(work.work)),
        result_(std::move(work.result)),
        finished_(std::move(work.finished)),
        reports_(!work.onProgress.IsEmpty()) {
    for (const Napi::Object& object : work.keepAlive) kept_.push_back(Napi::Persistent(object));
    wake_ =
        Wake::New(env, work.onProgress, work.name, 0, 1, this, [](Napi::Env, void*, AsyncCall* call) { delete call; });
  }

  // The thread.
  void Run() {
    const FlushDenormals flush;
    Watch watch;
    watch.cancelled = cancelled_.get();
    if (reports_) watch.onProgress = [this](const Progress& progress) { Report(progress); };
    try {
      work_(watch);
    } catch (const std::bad_alloc&) {
      failure_ = "there is not enough memory for this network at this batch size";
    } catch (const std::invalid_argument& error) {
      failure_ = error.what();
      badInput_ = true;
    } catch (const std::exception& error) {
      failure_ = error.what();
    } catch (...) {
      failure_ = "the addon failed for an unknown reason";
    }
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    wake_.NonBlockingCall();  // the last touch: afterwards this object may be gone
  }

  void Report(const Progress& progress) {
    const auto now = std::chrono::steady_clock::now();
    if (now - lastReport_ < kProgressInterval) return;
    lastReport_ = now;
    {
      const std::lock_guard lock(mutex_);
      progress_ = progress;
    }
    wake_.NonBlockingCall();
  }

  // JavaScript's thread.
  void Deliver(Napi::Env env, Napi::Function onProgress) {
    const Napi::HandleScope scope(env);
    std::optional<Progress> progress;
    bool done = false;
    {
      const std::lock_guard lock(mutex_);
      progress = std::exchange(progress_, std::nullopt);
      done = done_;
    }
    if (progress && thrown_.IsEmpty()) Tell(env, onProgress, *progress);
    if (done && !settled_) Settle(env);
  }

  // An exception of the listener ends the call and becomes its outcome.
  void Tell(Napi::Env env, Napi::Function onProgress, const Progress& progress) {
    try {
      auto object = Napi::Object::New(env);
      object.Set("done", static_cast<double>(progress.done));
      object.Set("total", static_cast<double>(progress.total));
      object.Set("meanLoss", progress.meanLoss);
      object.Set("accuracy", progress.accuracy);
      onProgress.Call({object});
    } catch (const Napi::Error& error) {
      thrown_ = error;
      cancelled_->store(true, std::memory_order_relaxed);
    }
  }

  void Settle(Napi::Env env) {
    settled_ = true;
    napi_remove_env_cleanup_hook(env, OnEnvironmentEnd, this);
    thread_.join();
    finished_(env);
    try {
      if (!thrown_.IsEmpty()) {
        deferred_.Reject(thrown_.Value());
      } else if (failure_) {
        deferred_.Reject(badInput_ ? Napi::RangeError::New(env, *failure_).Value()
                                   : Napi::Error::New(env, *failure_).Value());
      } else {
        deferred_.Resolve(result_(env));
      }
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
    } catch (const std::exception& error) {
      deferred_.Reject(Napi::Error::New(env, error.what()).Value());
    }
    wake_.Release();  // ends in the finalizer, which deletes this object
  }

  static void OnEnvironmentEnd(void* data) {
    auto* call = static_cast<AsyncCall*>(data);
    call->cancelled_->store(true, std::memory_order_relaxed);
    call->thread_.join();
  }

  Napi::Env env_;
  Napi::Promise::Deferred deferred_;
  CancelFlag cancelled_;
  std::function<void(const Watch&)> work_;
  std::function<Napi::Value(Napi::Env)> result_;
  std::function<void(Napi::Env)> finished_;
  bool reports_;
  std::vector<Napi::ObjectReference> kept_;
  Wake wake_;
  std::thread thread_;
  std::optional<std::string> failure_;  // the thread's, read after it was joined
  bool badInput_ = false;               // so is this: the caller can correct it
  std::chrono::steady_clock::time_point lastReport_{};
  Napi::Error thrown_;  // by the progress listener
  bool settled_ = false;
  std::mutex mutex_;
  std::optional<Progress> progress_;  // under mutex_
  bool done_ = false;                 // under mutex_
};

}  // namespace

Napi::Promise StartAsync(Napi::Env env, AsyncWork work) { return AsyncCall::Start(env, std::move(work)); }

}  // namespace lathe::binding
