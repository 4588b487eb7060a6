// Type tags: an object that comes back from JavaScript is unwrapped only if it carries its class's tag.
#pragma once

#include <napi.h>

#include <string>

namespace lathe::binding {

inline constexpr napi_type_tag kModelTag = {0x6c617468652d6d6fULL, 0x64656c2d00000001ULL};
inline constexpr napi_type_tag kDatasetTag = {0x6c617468652d6461ULL, 0x7461736574000002ULL};
inline constexpr napi_type_tag kControlTag = {0x6c617468652d636fULL, 0x6e74726f6c000003ULL};
inline constexpr napi_type_tag kMlpTag = {0x6c617468652d6d6cULL, 0x702d2d2d00000004ULL};

// The value as an object that carries the tag; throws with the given sentence otherwise.
inline Napi::Object Tagged(const Napi::Value& value, const napi_type_tag& tag, const std::string& complaint) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&tag)) {
    throw Napi::TypeError::New(value.Env(), complaint);
  }
  return value.As<Napi::Object>();
}

}  // namespace lathe::binding
