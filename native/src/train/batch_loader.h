// Gets training batches ready on a thread of its own, one ahead of the step that runs: reads bytes, augments,
// normalises.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/aligned.h"
#include "train/job.h"

namespace lathe {

// Memory for two batches, kept from call to call.
struct BatchBuffers {
  AlignedFloats images[2];  // (batch, H, W, C)
  std::vector<std::uint8_t> labels[2];
  void Fit(int batch, std::size_t imageFloats);
  std::size_t memoryBytes() const { return (images[0].size() + images[1].size()) * sizeof(float); }
};

class BatchLoader {
 public:
  // Loads the job's batches from the first on; job and buffers outlive this. Results do not depend on its pace.
  BatchLoader(const TrainJob& job, BatchBuffers& buffers);
  ~BatchLoader();

  struct Batch {
    const float* images;         // (batch, H, W, C)
    const std::uint8_t* labels;  // (batch)
  };
  // Waits for the next batch; the one before is given up for loading. Throws what loading it threw.
  Batch Next();

 private:
  void Run();
  void Load(std::size_t step);

  const TrainJob& job_;
  BatchBuffers& buffers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t taken_ = 0;       // batches handed out; under mutex_
  std::size_t loaded_ = 0;      // batches that are ready or were; under mutex_
  bool stop_ = false;           // under mutex_
  std::exception_ptr failure_;  // under mutex_; of the batch behind the loaded ones
  std::thread thread_;          // last: it reads the others
};

}  // namespace lathe
