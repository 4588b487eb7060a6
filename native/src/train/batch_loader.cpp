#include "train/batch_loader.h"

namespace lathe {

void BatchBuffers::Fit(int batch, std::size_t imageFloats) {
  for (int i = 0; i < 2; ++i) {
    const std::size_t floats = batch * imageFloats;
    if (images[i].size() != floats) images[i] = AlignedFloats(floats);
    labels[i].resize(batch);
  }
}

BatchLoader::BatchLoader(const TrainJob& job, BatchBuffers& buffers) : job_(job), buffers_(buffers) {
  thread_ = std::thread([this] { Run(); });
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

BatchLoader::Batch BatchLoader::Next() {
  std::unique_lock lock(mutex_);
  const std::size_t step = taken_++;  // from here on the buffer of the batch before may be written
  changed_.notify_all();
  changed_.wait(lock, [&] { return loaded_ > step || failure_; });
  if (loaded_ <= step) std::rethrow_exception(failure_);
  return {buffers_.images[step % 2].data(), buffers_.labels[step % 2].data()};
}

void BatchLoader::Run() {
  for (std::size_t step = 0; step < job_.steps; ++step) {
    {
      // Batch `step` takes the place of batch `step - 2`, which is free once batch `step - 1` has been asked for.
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || taken_ + 1 > step; });
      if (stop_) return;
    }
    std::exception_ptr failure;
    try {
      Load(step);
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      if (failure)
        failure_ = failure;
      else
        loaded_ = step + 1;
    }
    changed_.notify_all();
    if (failure) return;
  }
}

void BatchLoader::Load(std::size_t step) {
  const Dataset& dataset = *job_.dataset;
  const std::uint32_t* order = job_.order + step * job_.batchSize;
  float* out = buffers_.images[step % 2].data();
  for (int i = 0; i < job_.batchSize; ++i, out += dataset.shape().size()) {
    buffers_.labels[step % 2][i] = dataset.label(order[i]);
    if (job_.augmentation.none()) {
      dataset.Load(order[i], out);
    } else {
      const std::uint64_t number = job_.firstStep + step;
      dataset.Load(order[i], DrawPlacement(job_.augmentation, dataset.shape(), job_.seed, number, order[i]), out);
    }
  }
}

}  // namespace lathe
