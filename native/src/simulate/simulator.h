// A target that layers are simulated on: one law with its figures, and the layers that were simulated before. Simulate
// and Timeline may be called from several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "simulate/bismo.h"
#include "simulate/bitfusion_compatible.h"
#include "simulate/roofline.h"
#include "simulate/tiling.h"

namespace lathe::simulate {

// An array behind buffers and a bus. BitFusion's `parallel` is set for each layer from its bits.
struct Tiled {
  Array array;
  Memory memory;
};

struct CompatibleBitFusion {
  BitFusionArray array;
  Memory memory;
};

using Law = std::variant<Tiled, CompatibleBitFusion, BismoTarget, BismoStages, Roofline>;

struct Target {
  Law law;
  std::optional<Energy> energy;  // none: unknown
};

// A layer at its bits.
struct Question {
  Layer layer;
  std::int64_t batch = 1;
  std::int64_t weight_bits = 8;
  std::int64_t activation_bits = 8;

  bool operator==(const Question&) const = default;
};

// One simulation, no memory of others. Throws std::invalid_argument when the law cannot take the layer and
// std::range_error when counts would exceed 2^53; both read on from the layer's name.
Cost SimulateOnce(const Target& target, const Question& question);

class Simulator {
 public:
  explicit Simulator(Target target) : target_(std::move(target)) {}

  Cost Simulate(const Question& question);
  // At a tiling that is given instead of searched for; a law without tiles throws std::invalid_argument. Whether it
  // fits the buffers is not asked.
  Cost SimulateAt(const Question& question, const Tiling& tiling) const;
  // The tiles of a layer one by one, at the best tiling or a given one, while `visit` returns true; a law without tiles
  // throws std::invalid_argument. Returns the cycles until the last store of what was walked.
  std::int64_t Timeline(const Question& question, const std::optional<Tiling>& given,
                        const std::function<bool(const Step&, const Tile&)>& visit) const;
  // Cycles and buffer accesses of the array alone, as if every tensor were in its buffer.
  Cost ArrayOnly(const Question& question) const;

 private:
  struct Hash {
    std::size_t operator()(const Question& question) const;
  };
  Target target_;
  std::mutex mutex_;
  std::unordered_map<Question, Cost, Hash> known_;
};

}  // namespace lathe::simulate
