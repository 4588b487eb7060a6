#pragma once

#include <napi.h>

namespace lathe::binding {

// Adds the integer kernels to the `testing` object.
void AddIntegerTesting(Napi::Env env, Napi::Object testing);

}  // namespace lathe::binding
