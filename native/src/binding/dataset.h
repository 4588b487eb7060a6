// Dataset: images that stay where JavaScript put them, in a buffer or in a file.
#pragma once

#include <napi.h>

#include <memory>

#include "train/dataset.h"

namespace lathe::binding {

class DatasetWrap final : public Napi::ObjectWrap<DatasetWrap> {
 public:
  static void Register(Napi::Env env, Napi::Object exports);
  explicit DatasetWrap(const Napi::CallbackInfo& call);

  const Dataset& dataset() const { return *dataset_; }

  // The data set in an options object's `dataset`, its images still in place (a buffer that was transferred is gone).
  // Whoever uses it must keep a reference to the object.
  static DatasetWrap& Of(const Napi::Object& options);

 private:
  Napi::Value Count(const Napi::CallbackInfo& call);

  std::unique_ptr<Dataset> dataset_;
  Napi::ObjectReference images_;  // keeps the memory alive; empty: the images are in a file
};

}  // namespace lathe::binding
