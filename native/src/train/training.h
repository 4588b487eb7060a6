// Forward and backward passes of a graph for one batch size. All memory is planned when this is made; a pass allocates
// nothing.
#pragma once

#include <atomic>
#include <functional>

#include "core/aligned.h"
#include "train/graph.h"

namespace lathe {

class TrainingPass {
 public:
  // Memory that somebody else uses when the gradient of a tensor has arrived and has not been sent on yet.
  struct Room {
    int tensor = 0;
    std::size_t floats = 0;
  };

  TrainingPass(std::unique_ptr<Graph> graph, const Kernels& kernels, int batch);
  // In the memory of an earlier pass where that is large enough, with rooms among the tensors.
  TrainingPass(std::unique_ptr<Graph> graph, const Kernels& kernels, int batch, AlignedFloats used,
               const std::vector<Room>& rooms = {});
  // In memory of the caller's, of PlannedFloats().
  TrainingPass(std::unique_ptr<Graph> graph, const Kernels& kernels, int batch, float* memory);

  // What the tensors of a pass take, without rooms.
  static std::size_t PlannedFloats(const Graph& graph, int batch);

  int batch() const { return batch_; }
  const Kernels& kernels() const { return kernels_; }
  const Graph& graph() const { return *graph_; }

  float* input(int external) { return graph_->tensors[graph_->externals[external]].y; }  // (N, H, W, C)
  void SetInput(int external, const float* values);  // copies, on the pool's threads
  // Gradient of an input, after Backward; only where the graph was built for it.
  const float* inputGradient(int external) const { return graph_->tensors[graph_->externals[external]].g; }

  // Both return false, half-way, once `cancelled` is set. Neither changes the parameters.
  // `seed` and `step` decide what dropout draws.
  bool Forward(const float* parameters, const std::atomic<bool>* cancelled, std::uint64_t seed = 0,
               std::uint64_t step = 0);
  // `complete` hears of every tensor whose gradient has arrived, before it is sent on.
  bool Backward(const float* parameters, float* gradients, const std::atomic<bool>* cancelled,
                const std::function<void(int tensor)>& complete = {});

  // The result's values, (N, H * W * C); and where their gradient goes before Backward.
  const float* Result();
  float* resultGradient() { return resultGradient_.data(); }

  float* room(std::size_t index) { return rooms_[index]; }

  // Of the tensors and rooms, in bytes.
  std::size_t memoryBytes() const { return planned_ * sizeof(float); }
  // For the next pass; this one can do nothing any more.
  AlignedFloats TakeMemory() { return std::move(memory_); }

  // After a step that counts: moves the running statistics.
  void CommitRunning(float* parameters) const;

 private:
  void PlanMemory(AlignedFloats used, float* given, const std::vector<Room>& rooms);

  std::unique_ptr<Graph> graph_;
  const Kernels& kernels_;
  int batch_;
  std::uint64_t seed_ = 0, step_ = 0;  // of the last Forward: Backward draws the same
  std::size_t planned_ = 0;            // floats of memory_ in use
  AlignedFloats memory_, result_, resultGradient_;
  std::vector<float*> rooms_;
};

}  // namespace lathe
