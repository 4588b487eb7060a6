#include "binding/dataset.h"

#include <cmath>
#include <utility>

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

// Bytes in memory, or a file by its path; `expected` bytes of either.
ImageBytes Images(const Napi::Object& options, std::uint64_t expected) {
  const Napi::Value value = options.Get("images");
  const auto require = [&](bool enough, std::uint64_t found) {
    if (enough) return;
    throw Napi::RangeError::New(options.Env(), "images must hold " + std::to_string(expected) +
                                                   " bytes (labels x height x width x channels), found " +
                                                   std::to_string(found));
  };
  ImageBytes images;
  if (value.IsObject() && !value.IsTypedArray()) {
    const Napi::Object from = value.As<Napi::Object>();
    const double offset = GetNumber(from, "offset");
    if (!(offset >= 0 && offset < 9e15)) throw Napi::RangeError::New(options.Env(), "images.offset must be 0 or more");
    images.file = std::make_unique<const RandomAccessFile>(GetString(from, "path"));
    images.offset = static_cast<std::uint64_t>(offset);
    const std::uint64_t size = images.file->size();
    require(size >= images.offset && size - images.offset >= expected, size > images.offset ? size - images.offset : 0);
    return images;
  }
  const auto bytes = ViewOf<std::uint8_t>(value, "images");
  require(bytes.size == expected, bytes.size);
  images.memory = bytes.data;
  return images;
}

}  // namespace

DatasetWrap::DatasetWrap(const Napi::CallbackInfo& call) : Napi::ObjectWrap<DatasetWrap>(call) {
  const Napi::Env env = call.Env();
  Guard(env, [&] {
    const Napi::Object options = OptionsOf(call);
    const Shape stored{Extent(options, "height"), Extent(options, "width"), Extent(options, "channels")};
    const Shape shape{Has(options, "inputHeight") ? Extent(options, "inputHeight") : stored.height,
                      Has(options, "inputWidth") ? Extent(options, "inputWidth") : stored.width, stored.channels};
    if (shape.height < stored.height || shape.width < stored.width) {
      throw Napi::RangeError::New(env, "inputHeight and inputWidth must be at least height and width");
    }
    const auto labels = GetView<std::uint8_t>(options, "labels");
    const auto mean = ChannelNumbers(options, "mean", shape.channels);
    const auto std = ChannelNumbers(options, "std", shape.channels);
    for (const double s : std) {
      if (s == 0) throw Napi::RangeError::New(env, "std must not be 0");
    }
    const std::uint64_t expected = static_cast<std::uint64_t>(labels.size) * stored.size();
    ImageBytes images = Images(options, expected);
    const bool inMemory = !images.file;
    dataset_ = std::make_unique<Dataset>(std::move(images), labels.data, labels.size, stored, shape, mean, std);
    if (inMemory) images_ = Napi::Persistent(options.Get("images").As<Napi::Object>());
    call.This().As<Napi::Object>().TypeTag(&kDatasetTag);
  });
}

DatasetWrap& DatasetWrap::Of(const Napi::Object& options) {
  DatasetWrap& wrap = *Unwrap(Tagged(options.Get("dataset"), kDatasetTag, "dataset must be a Dataset"));
  if (wrap.images_.IsEmpty()) return wrap;  // in a file
  const Dataset& dataset = wrap.dataset();
  if (ViewOf<std::uint8_t>(wrap.images_.Value(), "images").size != dataset.count() * dataset.stored().size()) {
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
