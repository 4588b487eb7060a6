#include "train/training.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/memory_plan.h"
#include "core/partition.h"
#include "core/thread_pool.h"

namespace lathe {
namespace {

constexpr std::size_t kMaxFloats = std::size_t{1} << 40;

Direction Opposite(Direction direction) {
  return direction == Direction::kForward ? Direction::kBackward : Direction::kForward;
}

// Where each tensor's values and gradients lie in a pass's memory.
struct TensorPlan {
  struct Place {
    std::size_t tensor;
    bool gradient;
    int buffer;
  };
  MemoryPlan memory;
  std::vector<Place> places;
  std::vector<int> rooms;  // buffers
};

// Values live until their own operator has gone backward; in a graph that no gradient is wanted of, until they are
// read.
TensorPlan PlanTensors(const Graph& graph, int batch, const std::vector<TrainingPass::Room>& rooms) {
  // Steps: operator i runs forward at step 1 + i, backward at step last - i; inputs are filled at step 0.
  const int count = static_cast<int>(graph.ops.size()), last = 2 * count + 1;
  std::vector<int> made(graph.tensors.size(), 0), firstGradient(graph.tensors.size(), last);
  std::vector<int> lastRead(graph.tensors.size(), 0);
  for (int i = 0; i < count; ++i) {
    const Op& op = *graph.ops[i];
    made[op.output] = 1 + i;
    firstGradient[op.output] = std::min(firstGradient[op.output], count + 1);  // the result's, from outside
    for (const int tensor : op.inputs) firstGradient[tensor] = last - i;       // the last reader is the first to send
    for (const int tensor : op.inputs) lastRead[tensor] = 1 + i;
  }
  lastRead[graph.result] = count + 1;
  const bool forwardOnly = !graph.tensors[graph.result].wantsGradient;
  TensorPlan plan;
  for (std::size_t i = 0; i < graph.tensors.size(); ++i) {
    const Tensor& tensor = graph.tensors[i];
    if (tensor.readers == 0) continue;  // merged away
    const bool external = made[i] == 0;
    const std::size_t floats = tensor.shape.size() * batch;
    if (tensor.shape.pixels() * batch > kMaxPixels || floats > kMaxFloats) {
      throw std::invalid_argument("a batch of " + std::to_string(batch) + " images is too large for this network");
    }
    const int end = forwardOnly ? lastRead[i] : external ? last : last - made[i] + 1;
    plan.places.push_back({i, false, plan.memory.Add(floats, made[i], end)});
    if (!tensor.wantsGradient) continue;
    plan.places.push_back({i, true, plan.memory.Add(floats, std::min(firstGradient[i], end), end)});
  }
  for (const TrainingPass::Room& room : rooms) {
    const int step = last - made[room.tensor] + 1;  // what comes behind the tensor is free by then
    plan.rooms.push_back(plan.memory.Add(room.floats, step, step));
  }
  plan.memory.Solve();
  return plan;
}

}  // namespace

TrainingPass::TrainingPass(std::unique_ptr<Graph> graph, const Kernels& kernels, int batch)
    : TrainingPass(std::move(graph), kernels, batch, AlignedFloats{}) {}

TrainingPass::TrainingPass(std::unique_ptr<Graph> graph, const Kernels& kernels, int batch, AlignedFloats used,
                           const std::vector<Room>& rooms)
    : graph_(std::move(graph)), kernels_(kernels), batch_(batch) {
  PlanMemory(std::move(used), nullptr, rooms);
}

TrainingPass::TrainingPass(std::unique_ptr<Graph> graph, const Kernels& kernels, int batch, float* memory)
    : graph_(std::move(graph)), kernels_(kernels), batch_(batch) {
  PlanMemory({}, memory, {});
}

std::size_t TrainingPass::PlannedFloats(const Graph& graph, int batch) {
  return PlanTensors(graph, batch, {}).memory.total();
}

void TrainingPass::PlanMemory(AlignedFloats used, float* given, const std::vector<Room>& rooms) {
  const TensorPlan plan = PlanTensors(*graph_, batch_, rooms);
  planned_ = plan.memory.total();
  if (!given) memory_ = used.size() >= planned_ ? std::move(used) : AlignedFloats(planned_);
  float* base = given ? given : memory_.data();
  for (const TensorPlan::Place& place : plan.places) {
    Tensor& tensor = graph_->tensors[place.tensor];
    (place.gradient ? tensor.g : tensor.y) = base + plan.memory.offset(place.buffer);
  }
  for (const int buffer : plan.rooms) rooms_.push_back(base + plan.memory.offset(buffer));
  for (const auto& op : graph_->ops) op->Plan(kernels_, batch_);
  const std::size_t resultFloats = graph_->tensors[graph_->result].shape.size() * batch_;
  result_ = AlignedFloats(resultFloats);
  resultGradient_ = AlignedFloats(resultFloats);
}

void TrainingPass::SetInput(int external, const float* values) {
  const std::size_t floats = graph_->tensors[graph_->externals[external]].shape.size();
  const Partition images(batch_, 1, static_cast<std::int64_t>(batch_ * floats) * 2);
  ParallelFor(images.count(), [&](int chunk) {
    const Range range = images[chunk];
    std::copy_n(values + range.begin * floats, range.size() * floats, input(external) + range.begin * floats);
  });
}

bool TrainingPass::Forward(const float* parameters, const std::atomic<bool>* cancelled, std::uint64_t seed,
                           std::uint64_t step) {
  seed_ = seed;
  step_ = step;
  TrainContext context{kernels_, batch_, parameters, nullptr, Direction::kForward, seed_, step_};
  ParallelFor(static_cast<int>(graph_->ops.size()), [&](int i) { graph_->ops[i]->PackForTraining(context); });
  const CancelScope scope(cancelled);
  for (const auto& op : graph_->ops) {
    if (scope.stop()) return false;
    op->Forward(context);
    context.direction = Opposite(context.direction);
  }
  return !scope.stop();
}

const float* TrainingPass::Result() {
  const Tensor& tensor = graph_->tensors[graph_->result];
  return LoadPixels(kernels_, tensor, 0, batch_ * static_cast<int>(tensor.shape.pixels()), result_.data());
}

bool TrainingPass::Backward(const float* parameters, float* gradients, const std::atomic<bool>* cancelled,
                            const std::function<void(int tensor)>& complete) {
  TrainContext context{kernels_, batch_, parameters, gradients, Direction::kForward, seed_, step_};
  for (Tensor& tensor : graph_->tensors) tensor.arrived = 0;
  Tensor& result = graph_->tensors[graph_->result];
  const GradientSink sink(kernels_, result, 1);
  sink.Add(0, 0, batch_ * static_cast<int>(result.shape.pixels()), resultGradient_.data());
  const CancelScope scope(cancelled);
  for (auto op = graph_->ops.rbegin(); op != graph_->ops.rend(); ++op) {
    if (scope.stop()) return false;
    if (complete) complete((*op)->output);
    (*op)->Backward(context);
    context.direction = Opposite(context.direction);
  }
  return !scope.stop();
}

void TrainingPass::CommitRunning(float* parameters) const {
  for (const Tensor& tensor : graph_->tensors) {
    if (tensor.norm) tensor.norm->CommitRunning(parameters);
  }
}

}  // namespace lathe
