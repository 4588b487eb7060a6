#include "binding/quantization.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "binding/convert.h"

namespace lathe::binding {
namespace {

[[noreturn]] void Refuse(Napi::Env env, const std::string& what) { throw Napi::RangeError::New(env, what); }

bool Usable(float threshold) { return threshold > 0 && std::isfinite(threshold); }

void FillChannels(const Napi::Object& from, const Model& model, std::vector<OpQuantizer>& quantizers) {
  if (!Has(from, "channelThresholds")) return;
  const auto thresholds = GetView<float>(from, "channelThresholds");
  std::size_t at = 0;
  for (std::size_t i = 0; i < quantizers.size(); ++i) {
    const auto channels = static_cast<std::size_t>(model.program().ops[model.quantizableOps()[i]].outChannels);
    if (at + channels > thresholds.size) Refuse(from.Env(), "channelThresholds must have one value an output channel");
    quantizers[i].channelThresholds.assign(thresholds.data + at, thresholds.data + at + channels);
    at += channels;
    if (quantizers[i].weight.bits > 0 &&
        !std::all_of(quantizers[i].channelThresholds.begin(), quantizers[i].channelThresholds.end(), Usable)) {
      Refuse(from.Env(), "channelThresholds must be positive and finite");
    }
  }
  if (at != thresholds.size) Refuse(from.Env(), "channelThresholds must have one value an output channel");
}

std::shared_ptr<const Codebook> ToCodebook(const Napi::Object& from, std::size_t weights) {
  const auto centroids = GetView<float>(from, "centroids");
  const auto assignment = GetView<std::uint8_t>(from, "assignment");
  if (centroids.size < 1 || centroids.size > 256) Refuse(from.Env(), "a codebook must have 1..256 centroids");
  if (assignment.size != weights)
    Refuse(from.Env(), "a codebook must assign each of the " + std::to_string(weights) + " weights");
  for (const std::uint8_t index : assignment) {
    if (index >= centroids.size) Refuse(from.Env(), "a codebook must assign weights to its own centroids");
  }
  Codebook book;
  book.centroids.assign(centroids.begin(), centroids.end());
  book.assignment.assign(assignment.begin(), assignment.end());
  book.keepsZeros = GetBool(from, "keepsZeros");
  return std::make_shared<const Codebook>(std::move(book));
}

void FillCodebooks(const Napi::Object& from, const Model& model, std::vector<OpQuantizer>& quantizers) {
  if (!Has(from, "codebooks")) return;
  const Napi::Value list = from.Get("codebooks");
  if (!list.IsArray() || list.As<Napi::Array>().Length() != quantizers.size()) {
    Refuse(from.Env(), "codebooks must have one entry for each quantizable operator");
  }
  for (std::uint32_t i = 0; i < quantizers.size(); ++i) {
    const Napi::Value book = list.As<Napi::Array>().Get(i);
    if (!book.IsObject()) continue;
    const Parameter* weight = model.layout().Find(model.quantizableOps()[i], Role::kWeight);
    quantizers[i].codebook = ToCodebook(book.As<Napi::Object>(), weight->length);
  }
}

}  // namespace

std::vector<OpQuantizer> ToQuantizers(const Napi::Object& from, const Model& model) {
  const auto weightBits = GetView<std::uint8_t>(from, "weightBits");
  const auto activationBits = GetView<std::uint8_t>(from, "activationBits");
  const auto weightThresholds = GetView<float>(from, "weightThresholds");
  const auto activationThresholds = GetView<float>(from, "activationThresholds");
  const std::size_t count = model.quantizableOps().size();
  if (weightBits.size != count || activationBits.size != count || weightThresholds.size != count ||
      activationThresholds.size != count) {
    Refuse(from.Env(),
           "quantization must have one entry for each of the " + std::to_string(count) + " quantizable operators");
  }
  std::vector<OpQuantizer> quantizers(count);
  const auto fill = [&](Quantizer& quantizer, int bits, float threshold) {
    if (bits > 8) Refuse(from.Env(), "quantization bits must be 0..8");
    if (bits > 0 && !Usable(threshold)) Refuse(from.Env(), "quantization thresholds must be positive and finite");
    quantizer.bits = bits;
    quantizer.threshold = threshold;
  };
  for (std::size_t i = 0; i < count; ++i) {
    fill(quantizers[i].weight, weightBits.data[i], weightThresholds.data[i]);
    fill(quantizers[i].activation, activationBits.data[i], activationThresholds.data[i]);
  }
  FillChannels(from, model, quantizers);
  FillCodebooks(from, model, quantizers);
  return quantizers;
}

Napi::Value FromCodebook(Napi::Env env, const Codebook* codebook) {
  if (!codebook) return env.Null();
  auto object = Napi::Object::New(env);
  auto assignment = Napi::Uint8Array::New(env, codebook->assignment.size());
  std::copy(codebook->assignment.begin(), codebook->assignment.end(), assignment.Data());
  object.Set("centroids", MakeFloat32Array(env, codebook->centroids.data(), codebook->centroids.size()));
  object.Set("assignment", assignment);
  object.Set("keepsZeros", codebook->keepsZeros);
  return object;
}

Napi::Object FromQuantizers(Napi::Env env, const std::vector<OpQuantizer>& quantizers) {
  const std::size_t count = quantizers.size();
  auto weightBits = Napi::Uint8Array::New(env, count), activationBits = Napi::Uint8Array::New(env, count);
  std::vector<float> weightThresholds, activationThresholds, channelThresholds;
  auto codebooks = Napi::Array::New(env, count);
  bool anyCodebook = false;
  for (std::size_t i = 0; i < count; ++i) {
    const OpQuantizer& q = quantizers[i];
    weightBits[i] = static_cast<std::uint8_t>(q.weight.bits);
    activationBits[i] = static_cast<std::uint8_t>(q.activation.bits);
    weightThresholds.push_back(q.weight.threshold);
    activationThresholds.push_back(q.activation.threshold);
    channelThresholds.insert(channelThresholds.end(), q.channelThresholds.begin(), q.channelThresholds.end());
    codebooks.Set(static_cast<std::uint32_t>(i), FromCodebook(env, q.codebook.get()));
    anyCodebook = anyCodebook || q.codebook;
  }
  auto object = Napi::Object::New(env);
  object.Set("weightBits", weightBits);
  object.Set("activationBits", activationBits);
  object.Set("weightThresholds", MakeFloat32Array(env, weightThresholds.data(), count));
  object.Set("activationThresholds", MakeFloat32Array(env, activationThresholds.data(), count));
  if (!channelThresholds.empty()) {
    object.Set("channelThresholds", MakeFloat32Array(env, channelThresholds.data(), channelThresholds.size()));
  }
  if (anyCodebook) object.Set("codebooks", codebooks);
  return object;
}

void FillQuantizedTraining(const Napi::Object& options, const Model& model, TrainJob& job) {
  if (!Has(options, "quantized")) return;
  const Napi::Object from = GetObject(options, "quantized");
  job.quantizers = ToQuantizers(GetObject(from, "quantization"), model);
  job.quantizedTraining.learnRanges = GetBool(from, "learnRanges");
  job.quantizedTraining.rangeDecay = static_cast<float>(GetNumber(from, "rangeDecay"));
  job.quantizedTraining.momentum = static_cast<float>(GetNumber(from, "rangeMomentum"));
  job.quantizedTraining.meanGradient = GetString(from, "clusterGradient") == "mean";
  if (!Has(from, "rangeVelocities")) return;
  const auto velocities = GetView<float>(from, "rangeVelocities");
  if (velocities.size != job.quantizers.size()) Refuse(from.Env(), "rangeVelocities must have one value an operator");
  job.rangeVelocities.assign(velocities.begin(), velocities.end());
}

Napi::Value FromQuantizedTraining(Napi::Env env, const TrainResult& result) {
  if (result.quantizers.empty()) return env.Null();
  auto object = Napi::Object::New(env);
  object.Set("quantization", FromQuantizers(env, result.quantizers));
  object.Set("rangeVelocities", MakeFloat32Array(env, result.rangeVelocities.data(), result.rangeVelocities.size()));
  return object;
}

void FillThresholds(const Napi::Object& options, CalibrateJob& job) {
  if (Has(options, "perChannel")) job.perChannel = GetBool(options, "perChannel");
  if (!Has(options, "rule")) return;
  const std::string rule = GetString(options, "rule");
  if (rule == "mse") {
    job.thresholds.rule = ThresholdRule::kMse;
  } else if (rule == "maximum") {
    job.thresholds.rule = ThresholdRule::kMaximum;
  } else if (rule == "kl") {
    job.thresholds.rule = ThresholdRule::kKl;
  } else if (rule == "percentile") {
    job.thresholds.rule = ThresholdRule::kPercentile;
    job.thresholds.percentile = GetNumber(options, "percentile");
    if (!(job.thresholds.percentile > 0 && job.thresholds.percentile <= 1))
      Refuse(options.Env(), "percentile must be in (0, 1]");
  } else {
    Refuse(options.Env(), "rule must be 'mse', 'maximum', 'kl' or 'percentile'");
  }
}

}  // namespace lathe::binding
