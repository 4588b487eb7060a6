#include "binding/dataset.h"

#include <cmath>

#include "binding/convert.h"
#include "binding/guard.h"
#include "binding/tags.h"

namespace lathe::binding {
namespace {

constexpr int kMaxExtent = 65536;  // pixels or channels; keeps every product of them within 64 bits

int Extent(const Napi::Object& options, const char* name) {
  const int extent = GetInt(options, name);
  if (extent < 1 || extent > kMaxExtent) {
    throw Napi::RangeError::New(options.Env(), std::string(name) + " must be 1..65536");
  }
  return extent;
}

std::vector<double> ChannelNumbers(const Napi::Object& options, const char* name, int channels) {
  auto numbers = GetNumbers(options, name);
  bool good = numbers.size() == static_cast<std::size_t>(channels);
  for (const double x : numbers) good = good && std::isfinite(x);
  if (!good) throw Napi::RangeError::New(options.Env(), std::string(name) + " must have one finite number a channel");
  return numbers;
}

}  // namespace

DatasetWrap::DatasetWrap(const Napi::CallbackInfo& call) : Napi::ObjectWrap<DatasetWrap>(call) {
  const Napi::Env env = call.Env();
  Guard(env, [&] {
    const Napi::Object options = OptionsOf(call);
    const Shape shape{Extent(options, "height"), Extent(options, "width"), Extent(options, "channels")};
    const auto images = GetView<std::uint8_t>(options, "images");
    const auto labels = GetView<std::uint8_t>(options, "labels");
    if (images.size != labels.size * shape.size()) {
      throw Napi::RangeError::New(env, "images must hold " + std::to_string(labels.size * shape.size()) +
                                           " bytes (labels x height x width x channels), found " +
                                           std::to_string(images.size));
    }
    const auto mean = ChannelNumbers(options, "mean", shape.channels);
    const auto std = ChannelNumbers(options, "std", shape.channels);
    for (const double s : std) {
      if (s == 0) throw Napi::RangeError::New(env, "std must not be 0");
    }
    dataset_ = std::make_unique<Dataset>(images.data, labels.data, labels.size, shape, mean, std);
    images_ = Napi::Persistent(options.Get("images").As<Napi::Object>());
    call.This().As<Napi::Object>().TypeTag(&kDatasetTag);
  });
}

DatasetWrap& DatasetWrap::Of(const Napi::Object& options) {
  DatasetWrap& wrap = *Unwrap(Tagged(options.Get("dataset"), kDatasetTag, "dataset must be a Dataset"));
  const Dataset& dataset = wrap.dataset();
  if (ViewOf<std::uint8_t>(wrap.images_.Value(), "images").size != dataset.count() * dataset.shape().size()) {
    throw Napi::TypeError::New(options.Env(), "the data set's images are gone: their buffer was transferred elsewhere");
  }
  return wrap;
}

Napi::Value DatasetWrap::Count(const Napi::CallbackInfo& call) {
  return Napi::Number::New(call.Env(), static_cast<double>(dataset_->count()));
}

void DatasetWrap::Register(Napi::Env env, Napi::Object exports) {
  exports.Set("Dataset", DefineClass(env, "Dataset", {InstanceAccessor<&DatasetWrap::Count>("count")}));
}

}  // namespace lathe::binding
