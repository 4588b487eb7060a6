// The replay form: every tile on its way, with the halves of the buffers as they are. Written apart from the
// steady-state form, which it checks.
#include <algorithm>

#include "simulate/pipeline.h"

namespace lathe::simulate {
namespace {

using Position = std::array<std::int64_t, kMaxLevels>;

// The position's tile of a tensor: two steps work on the same tile if these coordinates are alike.
bool SameTile(const Nest& nest, const Position& a, const Position& b, Tensor tensor) {
  for (int l = 0; l < nest.depth; ++l) {
    if ((nest.levels[l].tensors & tensor) != 0 && a[l] != b[l]) return false;
  }
  return true;
}

int ClassAt(const Nest& nest, const Position& at) {
  int tile_class = 0;
  for (int l = 0; l < nest.depth; ++l) {
    if (nest.levels[l].rest && at[l] == nest.levels[l].count - 1) tile_class |= 1 << l;
  }
  return tile_class;
}

bool FirstOfReduction(const Nest& nest, const Position& at) {
  for (int l = 0; l < nest.depth; ++l) {
    if (nest.levels[l].reduction && at[l] != 0) return false;
  }
  return true;
}

bool LastOfReduction(const Nest& nest, const Position& at) {
  for (int l = 0; l < nest.depth; ++l) {
    if (nest.levels[l].reduction && at[l] != nest.levels[l].count - 1) return false;
  }
  return true;
}

// False behind the last position.
bool Advance(const Nest& nest, Position& at) {
  for (int l = nest.depth - 1; l >= 0; --l) {
    if (++at[l] < nest.levels[l].count) return true;
    at[l] = 0;
  }
  return false;
}

// Bus and array. A step's load is put on the bus before the store of the step before it.
class Machine {
 public:
  void Load(Step& step) {
    // The step before this one is loaded and not yet computed: the last one that was is two before, and frees its
    // halves.
    step.load_begin = std::max(bus_free_, compute_end_);
    step.load_end = step.load_begin + step.weight_load + step.input_load + step.partial_load;
    bus_free_ = step.load_end;
  }

  void Compute(Step& step, std::int64_t cycles) {
    step.compute_begin = std::max(step.load_end, compute_end_);
    step.compute_end = step.compute_begin + cycles;
    compute_end_ = step.compute_end;
  }

  void Store(Step& step, std::int64_t cycles) {
    step.store_begin = std::max(bus_free_, step.compute_end);
    step.store_end = step.store_begin + cycles;
    bus_free_ = step.store_end;
  }

 private:
  std::int64_t bus_free_ = 0;
  std::int64_t compute_end_ = 0;
};

Step Prepare(const Nest& nest, const Position& at, const Position* before, std::int64_t index) {
  Step step;
  step.index = index;
  step.tile_class = ClassAt(nest, at);
  step.complete = LastOfReduction(nest, at);
  const Nest::Sizes& sizes = nest.sizes[step.tile_class];
  if (before == nullptr || !SameTile(nest, at, *before, kWeight)) step.weight_load = sizes.weight;
  if (before == nullptr || !SameTile(nest, at, *before, kInput)) step.input_load = sizes.input;
  if (before != nullptr && !SameTile(nest, at, *before, kOutput) && !FirstOfReduction(nest, at)) {
    step.partial_load = sizes.partial;
  }
  return step;
}

}  // namespace

std::int64_t Replay(const Nest& nest, const std::function<bool(const Step&)>& visit) {
  Machine machine;
  Position at{};
  Step step = Prepare(nest, at, nullptr, 0);
  machine.Load(step);
  for (;;) {
    const Position here = at;
    const bool more = Advance(nest, at);
    const Nest::Sizes& sizes = nest.sizes[step.tile_class];
    Step next;
    if (more) {
      next = Prepare(nest, at, &here, step.index + 1);
      machine.Load(next);
    }
    machine.Compute(step, sizes.compute);
    const bool leaves = !more || !SameTile(nest, here, at, kOutput);
    machine.Store(step, !leaves ? 0 : step.complete ? sizes.output : sizes.partial);
    if (!visit(step) || !more) return step.store_end;
    step = next;
  }
}

}  // namespace lathe::simulate
