// One function a binding file: each adds its exports to the addon's object.
#pragma once

#include <napi.h>

namespace lathe::binding {

void RegisterInfo(Napi::Env env, Napi::Object exports);      // info, setThreads, setSimd
void RegisterModel(Napi::Env env, Napi::Object exports);     // Model, Dataset, Control
void RegisterSupernet(Napi::Env env, Napi::Object exports);  // Supernet
void RegisterMlp(Napi::Env env, Napi::Object exports);       // Mlp
void RegisterTesting(Napi::Env env, Napi::Object exports);   // testing
void RegisterSimulate(Napi::Env env, Napi::Object exports);  // Simulator

// Adds the timings to `testing`.
void AddBenchmarks(Napi::Env env, Napi::Object testing);

}  // namespace lathe::binding
