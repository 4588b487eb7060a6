// Quantization descriptions (NativeQuantization, NativeQuantizedTraining, ThresholdRule in addon.ts) from and to
// JavaScript.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "train/job.h"
#include "train/model.h"

namespace lathe::binding {

// An entry a quantizable operator. Throws Napi::RangeError naming what does not fit the model.
std::vector<OpQuantizer> ToQuantizers(const Napi::Object& from, const Model& model);
Napi::Object FromQuantizers(Napi::Env env, const std::vector<OpQuantizer>& quantizers);

// Fills a job from the options' `quantized`, where there is one.
void FillQuantizedTraining(const Napi::Object& options, const Model& model, TrainJob& job);
// What a quantized training returns; null for a float one.
Napi::Value FromQuantizedTraining(Napi::Env env, const TrainResult& result);

// `rule`, `percentile` and `perChannel` of calibration's options.
void FillThresholds(const Napi::Object& options, CalibrateJob& job);

Napi::Value FromCodebook(Napi::Env env, const Codebook* codebook);

}  // namespace lathe::binding
