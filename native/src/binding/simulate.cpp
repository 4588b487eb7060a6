// The accelerator simulators' exports.
#include "binding/register.h"

namespace lathe::binding {

void RegisterSimulate(Napi::Env, Napi::Object) {}

}  // namespace lathe::binding
