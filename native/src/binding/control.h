// Control: a cancel flag in JavaScript's hand.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <vector>

namespace lathe::binding {

using CancelFlag = std::shared_ptr<std::atomic<bool>>;

class Control final : public Napi::ObjectWrap<Control> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit Control(const Napi::CallbackInfo& call);

  // A new flag for one call: set when this control is cancelled, and already set if it has been.
  CancelFlag NewFlag();

  // The control in an options object's `control`; null where there is none.
  static Control* Of(const Napi::Object& options);

 private:
  Napi::Value Cancelled(const Napi::CallbackInfo& call);
  void Cancel(const Napi::CallbackInfo& call);

  bool cancelled_ = false;
  std::vector<std::weak_ptr<std::atomic<bool>>> flags_;
};

}  // namespace lathe::binding
