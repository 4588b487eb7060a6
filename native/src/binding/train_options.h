// Options that training calls share: the batch, the images, the optimiser.
#pragma once

#include <cstdint>
#include <vector>

#include "binding/convert.h"
#include "train/job.h"

namespace lathe::binding {

inline constexpr int kMaxBatch = 65536;

int BatchSize(const Napi::Object& options);

// A copy of the image numbers, each checked against the data set.
std::vector<std::uint32_t> ImageNumbers(const Napi::Object& options, const char* name, std::size_t count);

double NumberOr(const Napi::Object& options, const char* name, double otherwise);

OptimizerSpec ToOptimizer(const Napi::Object& options);

}  // namespace lathe::binding
