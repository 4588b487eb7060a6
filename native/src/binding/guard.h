// The border: a C++ exception becomes a JavaScript Error with its one sentence, and never crosses as it is.
// What the caller can correct is a RangeError or a TypeError.
#pragma once

#include <napi.h>

#include <exception>
#include <stdexcept>
#include <utility>

namespace lathe::binding {

template <typename F>
auto Guard(Napi::Env env, F&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;  // already JavaScript's
  } catch (const std::invalid_argument& error) {
    throw Napi::RangeError::New(env, error.what());
  } catch (const std::exception& error) {
    throw Napi::Error::New(env, error.what());
  } catch (...) {
    throw Napi::Error::New(env, "the addon failed for an unknown reason");
  }
}

}  // namespace lathe::binding
