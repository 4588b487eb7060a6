#include "binding/control.h"

#include "binding/convert.h"
#include "binding/register.h"
#include "binding/tags.h"

namespace lathe::binding {

Control::Control(const Napi::CallbackInfo& call) : Napi::ObjectWrap<Control>(call) {
  call.This().As<Napi::Object>().TypeTag(&kControlTag);
}

CancelFlag Control::NewFlag() {
  auto flag = std::make_shared<std::atomic<bool>>(cancelled_);
  std::erase_if(flags_, [](const auto& old) { return old.expired(); });
  flags_.push_back(flag);
  return flag;
}

Control* Control::Of(const Napi::Object& options) {
  if (!Has(options, "control")) return nullptr;
  return Unwrap(Tagged(options.Get("control"), kControlTag, "control must be a Control"));
}

Napi::Value Control::Cancelled(const Napi::CallbackInfo& call) { return Napi::Boolean::New(call.Env(), cancelled_); }

void Control::Cancel(const Napi::CallbackInfo&) {
  cancelled_ = true;
  for (const auto& weak : flags_) {
    if (const auto flag = weak.lock()) flag->store(true, std::memory_order_relaxed);
  }
}

void Control::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("Control", DefineClass(env, "Control",
                                     {InstanceMethod<&Control::Cancel>("cancel"),
                                      InstanceAccessor<&Control::Cancelled>("cancelled")}));
}

}  // namespace lathe::binding
