// Calibration: what enters each quantizable operator, and the thresholds that follow from it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "quantize/histogram.h"
#include "quantize/thresholds.h"
#include "train/inference.h"
#include "train/job.h"

namespace lathe {

// Collects the inputs of the quantizable operators in two passes over the images: first the ranges, then the counts.
// AddTo... may be called from several threads; the result does not depend on their order.
class Calibrator {
 public:
  Calibrator(const Graph& graph, const Program& program, const std::vector<int>& quantizable);

  // `op` is an index into the program; others than quantizable ones are passed over.
  void AddToRange(int op, const float* values, std::size_t count);
  void PrepareHistograms();
  void AddToHistogram(int op, const float* values, std::size_t count);
  // Thresholds by the rule; with `perChannel` also those of each output channel's weights.
  std::vector<Calibration> Finish(const ParameterLayout& layout, const float* parameters,
                                  const ThresholdOptions& options, bool perChannel);

 private:
  struct Seen {
    int op = 0;
    bool any = false;
    Calibration calibration;
    std::unique_ptr<Histogram> histogram;
    std::vector<std::uint64_t> counts;  // by bin: whole numbers, so that their order does not matter
  };
  Seen* Find(int op);
  static void ActivationThresholds(Seen& seen, const ThresholdOptions& options);

  std::mutex mutex_;
  std::vector<Seen> seen_;
};

}  // namespace lathe
