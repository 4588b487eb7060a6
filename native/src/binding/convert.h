// From JavaScript values to plain ones, with an error that names what was wrong. src/main/compute/index.ts validates
// first; what is checked here is what would otherwise read memory that is not there.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "train/augment.h"
#include "train/parameters.h"
#include "train/program.h"

namespace lathe::binding {

// A member of an object, as a plain value; throws Napi::Error naming it where it is of another type.
Napi::Object GetObject(const Napi::Object& from, const char* name);
double GetNumber(const Napi::Object& from, const char* name);
int GetInt(const Napi::Object& from, const char* name);  // a whole number within int
bool GetBool(const Napi::Object& from, const char* name);
std::string GetString(const Napi::Object& from, const char* name);
std::vector<double> GetNumbers(const Napi::Object& from, const char* name);  // a plain array
bool Has(const Napi::Object& from, const char* name);                        // neither absent, undefined nor null

// The first argument of a call, which must be an object.
Napi::Object OptionsOf(const Napi::CallbackInfo& call);

// A borrowed view of a typed array's elements. The array must be kept alive for as long as it is used.
template <typename T>
struct View {
  T* data = nullptr;
  std::size_t size = 0;
  T* begin() const { return data; }
  T* end() const { return data + size; }
};
template <typename T>
View<T> ViewOf(const Napi::Value& value, const char* name);
template <typename T>
View<T> GetView(const Napi::Object& from, const char* name);

Napi::Float32Array MakeFloat32Array(Napi::Env env, const float* values, std::size_t count);
Napi::Float64Array MakeFloat64Array(Napi::Env env, const std::vector<double>& values);

OpSpec ToOpSpec(const Napi::Object& op);
Program ToProgram(const Napi::Object& program);
// Where each parameter lies, as JavaScript sees it.
Napi::Array FromLayout(Napi::Env env, const ParameterLayout& layout, const std::vector<OpSpec>& ops);
Augmentation ToAugmentation(const Napi::Object& options);  // of its `augmentation`; none where there is none

}  // namespace lathe::binding
