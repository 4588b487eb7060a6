#include "binding/train_options.h"

#include <algorithm>

namespace lathe::binding {

int BatchSize(const Napi::Object& options) {
  const int batch = GetInt(options, "batchSize");
  if (batch < 1 || batch > kMaxBatch) throw Napi::RangeError::New(options.Env(), "batchSize must be 1..65536");
  return batch;
}

std::vector<std::uint32_t> ImageNumbers(const Napi::Object& options, const char* name, std::size_t count) {
  const auto view = GetView<std::uint32_t>(options, name);
  for (const std::uint32_t image : view) {
    if (image >= count) {
      throw Napi::RangeError::New(options.Env(), std::string(name) + ": image " + std::to_string(image) +
                                                     " is not in the data set of " + std::to_string(count));
    }
  }
  return {view.begin(), view.end()};
}

double NumberOr(const Napi::Object& options, const char* name, double otherwise) {
  return Has(options, name) ? GetNumber(options, name) : otherwise;
}

OptimizerSpec ToOptimizer(const Napi::Object& options) {
  OptimizerSpec spec;
  const bool adam = Has(options, "optimizer") && GetString(options, "optimizer") == "adam";
  spec.kind = adam ? OptimizerKind::kAdam : OptimizerKind::kSgd;
  spec.momentum = static_cast<float>(NumberOr(options, "momentum", 0));
  spec.nesterov = Has(options, "nesterov") && GetBool(options, "nesterov");
  spec.beta1 = static_cast<float>(NumberOr(options, "beta1", 0.9));
  spec.beta2 = static_cast<float>(NumberOr(options, "beta2", 0.999));
  spec.epsilon = static_cast<float>(NumberOr(options, "epsilon", 1e-8));
  spec.weightDecay = static_cast<float>(NumberOr(options, "weightDecay", 0));
  spec.decayAll = Has(options, "decayAll") && GetBool(options, "decayAll");
  spec.keepZeros = Has(options, "keepZeros") && GetBool(options, "keepZeros");
  spec.clipNorm = static_cast<float>(NumberOr(options, "clipNorm", 0));
  return spec;
}

}  // namespace lathe::binding
