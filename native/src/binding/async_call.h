// One long call: a promise on JavaScript's side, a thread of its own on ours. Progress comes at most ten times a
// second. When the environment ends first (a worker is stopped, the process exits) the work is cancelled and waited
// for.
#pragma once

#include <napi.h>

#include <functional>
#include <vector>

#include "binding/control.h"
#include "train/job.h"

namespace lathe::binding {

struct AsyncWork {
  const char* name = "";
  CancelFlag cancelled;
  Napi::Function onProgress;               // empty: none
  std::vector<Napi::Object> keepAlive;     // referenced until the call is over
  std::function<void(const Watch&)> work;  // on the thread; a std::exception rejects the promise with its sentence
  std::function<Napi::Value(Napi::Env)> result;  // on JavaScript's thread, after work
  std::function<void(Napi::Env)> finished;  // on JavaScript's thread, before the promise settles, whatever happened
};

Napi::Promise StartAsync(Napi::Env env, AsyncWork work);

}  // namespace lathe::binding
