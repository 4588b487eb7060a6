#include "simulate/simulator.h"

#include <stdexcept>

namespace lathe::simulate {
namespace {

// Above this many layers the memory starts anew: some 30 MB.
constexpr std::size_t kMaxKnown = 1 << 17;

TiledProblem ProblemOf(const Target& target, const Tiled& tiled, const Question& question) {
  TiledProblem problem = {tiled.array,
                          tiled.memory,
                          target.energy ? &*target.energy : nullptr,
                          question.layer,
                          question.batch,
                          question.weight_bits,
                          question.activation_bits};
  if (tiled.memory.stored_bits > 0) problem.weight_bits = problem.activation_bits = tiled.memory.stored_bits;
  if (auto* bitfusion = std::get_if<BitFusion>(&problem.array)) {
    bitfusion->parallel = bitfusion->array.Parallel(question.weight_bits, question.activation_bits);
  }
  // Accesses of a buffer are at most multiply-accumulates times bits.
  CheckCount(static_cast<double>(question.layer.macs()) * static_cast<double>(question.batch));
  return problem;
}

const Tiled& TiledOf(const Target& target) {
  const auto* tiled = std::get_if<Tiled>(&target.law);
  if (tiled == nullptr) throw std::invalid_argument("this target's law is a closed form: it has no tiles");
  return *tiled;
}

struct SimulateLaw {
  const Target& target;
  const Question& q;

  Cost operator()(const Tiled& tiled) const {
    const TiledProblem problem = ProblemOf(target, tiled, q);
    return CostOf(problem, SearchTiling(problem));
  }
  Cost operator()(const CompatibleBitFusion& law) const {
    CheckCount(static_cast<double>(q.layer.macs()) * static_cast<double>(q.batch) * 32);
    return SimulateBitFusionCompatible(law.array, law.memory, *target.energy, q.layer, q.batch, q.weight_bits,
                                       q.activation_bits);
  }
  Cost operator()(const BismoTarget& law) const {
    return SimulateBismo(law, q.layer, q.batch, q.weight_bits, q.activation_bits);
  }
  Cost operator()(const BismoStages& law) const {
    return SimulateBismoStages(law, q.layer, q.batch, q.weight_bits, q.activation_bits);
  }
  Cost operator()(const Roofline& law) const {
    return SimulateRoofline(law, q.layer, q.batch, q.weight_bits, q.activation_bits);
  }
};

}  // namespace

Cost SimulateOnce(const Target& target, const Question& question) {
  return std::visit(SimulateLaw{target, question}, target.law);
}

std::size_t Simulator::Hash::operator()(const Question& question) const {
  const Layer& l = question.layer;
  std::uint64_t hash = 14695981039346656037ull;
  for (const std::int64_t value :
       {l.in_channels, l.out_channels, l.groups, l.kernel_height * 64 + l.kernel_width,
        l.stride_height * 64 + l.stride_width, l.dilation_height * 64 + l.dilation_width,
        l.in_height * 65536 + l.in_width, l.out_height * 65536 + l.out_width, question.batch,
        question.weight_bits * 64 + question.activation_bits * 4 + (l.linear ? 2 : 0) + (l.first ? 1 : 0)}) {
    hash = (hash ^ static_cast<std::uint64_t>(value)) * 1099511628211ull;
    hash ^= hash >> 29;
  }
  return static_cast<std::size_t>(hash);
}

Cost Simulator::Simulate(const Question& question) {
  // A closed form is quicker than a look-up.
  if (std::holds_alternative<BismoTarget>(target_.law) || std::holds_alternative<BismoStages>(target_.law) ||
      std::holds_alternative<Roofline>(target_.law)) {
    return SimulateOnce(target_, question);
  }
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(question);
    if (found != known_.end()) return found->second;
  }
  const Cost cost = SimulateOnce(target_, question);
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMaxKnown) known_.clear();
  known_.emplace(question, cost);
  return cost;
}

Cost Simulator::SimulateAt(const Question& question, const Tiling& tiling) const {
  return CostOf(ProblemOf(target_, TiledOf(target_), question), tiling);
}

std::int64_t Simulator::Timeline(const Question& question, const std::optional<Tiling>& given,
                                 const std::function<bool(const Step&, const Tile&)>& visit) const {
  const TiledProblem problem = ProblemOf(target_, TiledOf(target_), question);
  const Tiling tiling = given ? *given : SearchTiling(problem);
  return Replay(MakeNest(problem, tiling),
                [&](const Step& step) { return visit(step, TileAt(problem, tiling, step.tile_class)); });
}

Cost Simulator::ArrayOnly(const Question& question) const {
  const TiledProblem problem = ProblemOf(target_, TiledOf(target_), question);
  const Layer& layer = question.layer;
  const Tile tile = {layer.groups,        question.batch,       layer.out_height,
                     layer.out_width,     layer.group_inputs(), layer.group_outputs(),
                     layer.kernel_height, layer.kernel_width,   layer.depthwise()};
  Cost cost;
  cost.compute_cycles = cost.cycles = std::visit([&](const auto& law) { return law.Cycles(tile); }, problem.array);
  const TileAccesses words = std::visit([&](const auto& law) { return law.Accesses(tile); }, problem.array);
  if (words.weight_reads >= 0) {
    cost.weight_buffer_read_bits = static_cast<double>(words.weight_reads * question.weight_bits);
    cost.input_buffer_read_bits = static_cast<double>(words.input_reads * question.activation_bits);
    cost.output_buffer_write_bits = static_cast<double>(words.output_writes * problem.memory.sum_bits);
    cost.output_buffer_read_bits = static_cast<double>(words.output_reads * problem.memory.sum_bits);
  }
  cost.peak_macs_per_cycle = std::visit([](const auto& law) { return law.PeakMacsPerCycle(); }, problem.array);
  cost.tile = tile;
  return cost;
}

}  // namespace lathe::simulate
