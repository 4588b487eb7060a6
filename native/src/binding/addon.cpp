// The addon's registration: what is exported, and nothing else. src/main/compute/addon.ts describes every export.
#include "binding/register.h"
#include "core/pin.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  lathe::PinLibrary();
  lathe::binding::RegisterInfo(env, exports);
  lathe::binding::RegisterModel(env, exports);
  lathe::binding::RegisterSupernet(env, exports);
  lathe::binding::RegisterMlp(env, exports);
  lathe::binding::RegisterTesting(env, exports);
  lathe::binding::RegisterSimulate(env, exports);
  return exports;
}

NODE_API_MODULE(lathe, Init)
