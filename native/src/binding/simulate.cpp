// Simulator: a target that layers are simulated on. A layer costs a microsecond from memory and well below a
// millisecond with its search, so calls run on the caller's thread; a whole table of a network is the engine process's
// to make.
#include "simulate/simulator.h"

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/guard.h"
#include "binding/register.h"

namespace lathe::binding {
namespace {

using simulate::Cost;
using simulate::Question;
using simulate::Tiling;

constexpr std::int64_t kMaxBits = std::int64_t{1} << 40;  // of a buffer
constexpr std::int64_t kMaxSide = 65536;                  // of an array or an image
constexpr std::int64_t kMaxChannels = 1 << 24;
constexpr std::int64_t kMaxWalk = 50'000'000;  // tiles that a timeline walks to its first one: a second

double ToNumber(const Napi::Value& value, const std::string& name, double low, double high) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= low && number <= high)) {
    throw Napi::RangeError::New(value.Env(), name + " must be a number from " + std::to_string(low) + " to " +
                                                 std::to_string(high) + ", found " + value.ToString().Utf8Value());
  }
  return number;
}

std::int64_t ToInteger(const Napi::Value& value, const std::string& name, std::int64_t low, std::int64_t high) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) || number != std::floor(number)) {
    throw Napi::RangeError::New(value.Env(), name + " must be an integer from " + std::to_string(low) + " to " +
                                                 std::to_string(high) + ", found " + value.ToString().Utf8Value());
  }
  return static_cast<std::int64_t>(number);
}

Napi::Object ToObject(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), name + " must be an object");
  return value.As<Napi::Object>();
}

// Fields of an object, named with their place.
class Fields {
 public:
  Fields(const Napi::Value& value, std::string name) : object_(ToObject(value, name)), name_(std::move(name)) {}

  std::int64_t Integer(const char* field, std::int64_t high, std::int64_t low = 1) const {
    return ToInteger(object_.Get(field), name_ + "." + field, low, high);
  }
  double Number(const char* field, double low, double high) const {
    return ToNumber(object_.Get(field), name_ + "." + field, low, high);
  }
  std::string Text(const char* field) const {
    const Napi::Value value = object_.Get(field);
    if (!value.IsString()) throw Napi::TypeError::New(value.Env(), name_ + "." + field + " must be a string");
    return value.As<Napi::String>().Utf8Value();
  }
  Napi::Value Get(const char* field) const { return object_.Get(field); }
  Fields In(const char* field) const { return {object_.Get(field), name_ + "." + field}; }
  [[noreturn]] void Fail(const std::string& sentence) const {
    throw Napi::TypeError::New(object_.Env(), name_ + "." + sentence);
  }

 private:
  Napi::Object object_;
  std::string name_;
};

simulate::Memory ParseMemory(const Fields& f) {
  return {f.Integer("weightBufferBits", kMaxBits),
          f.Integer("inputBufferBits", kMaxBits),
          f.Integer("outputBufferBits", kMaxBits),
          f.Integer("busBitsPerCycle", 1 << 24),
          f.Integer("sumBits", 64),
          f.Integer("storedBits", 64, 0),
          f.Number("latencySlack", 0, 1)};
}

simulate::BitFusionArray ParseBitFusion(const Fields& f) {
  return {f.Integer("rows", kMaxSide), f.Integer("columns", kMaxSide), f.Integer("maximumBits", 8, 8),
          f.Integer("minimumBits", 8)};
}

simulate::Roofline ParseRoofline(const Fields& f) {
  simulate::Roofline law;
  law.bus_bits_per_cycle = f.Number("busBitsPerCycle", 1e-9, 1e12);
  const Napi::Value list = f.Get("precisions");
  if (!list.IsArray()) f.Fail("precisions must be an array");
  const auto precisions = list.As<Napi::Array>();
  for (std::uint32_t i = 0; i < precisions.Length(); ++i) {
    const Fields precision(precisions.Get(i), "target.precisions[" + std::to_string(i) + "]");
    law.precisions.push_back({precision.Integer("operandBits", 64), precision.Number("macsPerCycle", 1e-9, 1e12)});
  }
  return law;
}

simulate::Law ParseLaw(const Fields& f) {
  const std::string law = f.Text("law");
  if (law == "systolic") {
    const std::string dataflow = f.Text("dataflow");
    simulate::Systolic array = {simulate::Dataflow::kOutputStationary, f.Integer("rows", kMaxSide),
                                f.Integer("columns", kMaxSide)};
    if (dataflow == "weight-stationary") {
      array.dataflow = simulate::Dataflow::kWeightStationary;
    } else if (dataflow == "input-stationary") {
      array.dataflow = simulate::Dataflow::kInputStationary;
    } else if (dataflow != "output-stationary") {
      f.Fail("dataflow must be output-stationary, weight-stationary or input-stationary, found '" + dataflow + "'");
    }
    return simulate::Tiled{array, ParseMemory(f)};
  }
  if (law == "row-stationary") {
    return simulate::Tiled{simulate::RowStationary{f.Integer("rows", kMaxSide), f.Integer("columns", kMaxSide)},
                           ParseMemory(f)};
  }
  if (law == "bitfusion") return simulate::Tiled{simulate::BitFusion{ParseBitFusion(f), 1}, ParseMemory(f)};
  if (law == "bitfusion-compatible") return simulate::CompatibleBitFusion{ParseBitFusion(f), ParseMemory(f)};
  if (law == "bismo") {
    return simulate::BismoTarget{f.Integer("rows", 4096),
                                 f.Integer("columns", 4096),
                                 f.Integer("wordBits", 1 << 20),
                                 f.Integer("weightBufferWords", std::int64_t{1} << 31),
                                 f.Integer("activationBufferWords", std::int64_t{1} << 31),
                                 f.Integer("depthwiseGroupChannels", 4096)};
  }
  if (law == "bismo-stages") {
    return simulate::BismoStages{f.Integer("rows", 4096),
                                 f.Integer("columns", 4096),
                                 f.Integer("wordBits", 1 << 20),
                                 f.Integer("leftEntries", 1 << 24),
                                 f.Integer("rightEntries", 1 << 24),
                                 f.Integer("regions", 1024),
                                 f.Integer("portBitsPerCycle", 1 << 20),
                                 f.Integer("sumBits", 64),
                                 f.Integer("depthwiseGroupChannels", 4096)};
  }
  if (law == "roofline") return ParseRoofline(f);
  f.Fail(
      "law must be systolic, row-stationary, bitfusion, bitfusion-compatible, bismo, bismo-stages or roofline, found "
      "'" +
      law + "'");
}

simulate::Target ParseTarget(const Napi::Value& value) {
  const Fields f(value, "target");
  simulate::Target target = {ParseLaw(f), std::nullopt};
  if (f.Get("energy").IsNull()) {
    if (std::holds_alternative<simulate::CompatibleBitFusion>(target.law)) {
      f.Fail("energy must be given: the authors' simulator chooses its tiles by energy too");
    }
    return target;
  }
  const Fields e = f.In("energy");
  const auto pj = [&](const char* name) { return e.Number(name, 0, 1e12); };
  target.energy = {pj("macPj"),        pj("cyclePj"),      pj("weightReadPj"),  pj("weightWritePj"), pj("inputReadPj"),
                   pj("inputWritePj"), pj("outputReadPj"), pj("outputWritePj"), pj("dramPj")};
  return target;
}

simulate::Layer ParseLayer(const Napi::Value& value, std::uint32_t index, std::string& name) {
  const Fields f(value, "layers[" + std::to_string(index) + "]");
  const auto flag = [&](const char* field) { return f.Get(field).ToBoolean().Value(); };
  name = f.Text("name");
  simulate::Layer layer;
  layer.linear = flag("linear");
  layer.first = flag("first");
  layer.in_channels = f.Integer("inChannels", kMaxChannels);
  layer.out_channels = f.Integer("outChannels", kMaxChannels);
  layer.groups = f.Integer("groups", kMaxChannels);
  layer.kernel_height = f.Integer("kernelHeight", 1024);
  layer.kernel_width = f.Integer("kernelWidth", 1024);
  layer.stride_height = f.Integer("strideHeight", 1024);
  layer.stride_width = f.Integer("strideWidth", 1024);
  layer.dilation_height = f.Integer("dilationHeight", 1024);
  layer.dilation_width = f.Integer("dilationWidth", 1024);
  layer.in_height = f.Integer("inHeight", kMaxSide);
  layer.in_width = f.Integer("inWidth", kMaxSide);
  layer.out_height = f.Integer("outHeight", kMaxSide);
  layer.out_width = f.Integer("outWidth", kMaxSide);
  if (layer.in_channels % layer.groups != 0 || layer.out_channels % layer.groups != 0) {
    f.Fail("groups must divide its channels");
  }
  return layer;
}

template <typename T>
T ArrayOf(const Napi::Value& value, const char* name, napi_typedarray_type type, std::size_t count) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a typed array of its kind");
  }
  const auto array = value.As<T>();
  if (count != 0 && array.ElementLength() != count) {
    throw Napi::RangeError::New(value.Env(), std::string(name) + " must have " + std::to_string(count) +
                                                 " entries, one a row, found " + std::to_string(array.ElementLength()));
  }
  return array;
}

// The rows of a call: which layer, at which bits.
struct Rows {
  std::vector<simulate::Layer> layers;
  std::vector<std::string> names;
  Napi::Uint32Array layer;
  Napi::Uint8Array weight_bits;
  Napi::Uint8Array activation_bits;
  std::int64_t batch = 1;

  std::size_t size() const { return layer.ElementLength(); }
  Question at(std::size_t row) const {
    return {layers[layer[row]], batch, static_cast<std::int64_t>(weight_bits[row]),
            static_cast<std::int64_t>(activation_bits[row])};
  }
  const std::string& name(std::size_t row) const { return names[layer[row]]; }
};

Rows ParseRows(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  if (!call[0].IsArray()) throw Napi::TypeError::New(env, "layers must be an array");
  const auto list = call[0].As<Napi::Array>();
  Rows rows;
  rows.layers.reserve(list.Length());
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::HandleScope scope(env);
    rows.layers.push_back(ParseLayer(list.Get(i), i, rows.names.emplace_back()));
  }
  const Napi::Object object = ToObject(call[1], "rows");
  rows.layer = ArrayOf<Napi::Uint32Array>(object.Get("layer"), "rows.layer", napi_uint32_array, 0);
  const std::size_t count = rows.layer.ElementLength();
  rows.weight_bits = ArrayOf<Napi::Uint8Array>(object.Get("weightBits"), "rows.weightBits", napi_uint8_array, count);
  rows.activation_bits =
      ArrayOf<Napi::Uint8Array>(object.Get("activationBits"), "rows.activationBits", napi_uint8_array, count);
  for (std::size_t i = 0; i < count; ++i) {
    if (rows.layer[i] >= rows.layers.size()) {
      throw Napi::RangeError::New(env, "rows.layer[" + std::to_string(i) + "] must be below " +
                                           std::to_string(rows.layers.size()) + ", found " +
                                           std::to_string(rows.layer[i]));
    }
    for (const auto& [name, bits] :
         {std::pair{"weightBits", rows.weight_bits[i]}, std::pair{"activationBits", rows.activation_bits[i]}}) {
      if (bits < 1 || bits > 8) {
        throw Napi::RangeError::New(env,
                                    rows.name(i) + ": " + name + " must be from 1 to 8, found " + std::to_string(bits));
      }
    }
  }
  rows.batch = ToInteger(call[2], "batch", 1, 1 << 20);
  return rows;
}

constexpr int kTilingFields = 7;  // groups, images, rows, columns, inputs, outputs, order

// Tilings that are given instead of searched for, seven numbers a row; undefined: search.
class Tilings {
 public:
  Tilings(const Napi::Value& value, const Rows& rows) : rows_(rows) {
    if (value.IsUndefined()) return;
    given_ = true;
    values_ = ArrayOf<Napi::Int32Array>(value, "tilings", napi_int32_array, kTilingFields * rows.size());
  }

  bool given() const { return given_; }

  Tiling at(std::size_t row) const {
    const Question question = rows_.at(row);
    const simulate::Layer& layer = question.layer;
    const auto field = [&](int index, std::int64_t high, std::int64_t low = 1) -> std::int64_t {
      const std::int64_t value = values_[row * kTilingFields + index];
      if (value < low || value > high) {
        throw std::invalid_argument("tilings[" + std::to_string(row * kTilingFields + index) + "] must be from " +
                                    std::to_string(low) + " to " + std::to_string(high) + ", found " +
                                    std::to_string(value));
      }
      return value;
    };
    Tiling tiling;
    simulate::Tile& tile = tiling.tile;
    tile.groups = field(0, layer.groups);
    tile.images = field(1, question.batch);
    tile.rows = field(2, layer.out_height);
    tile.columns = field(3, layer.out_width);
    tile.inputs = field(4, layer.group_inputs());
    tile.outputs = field(5, layer.group_outputs());
    tiling.order = static_cast<simulate::LoopOrder>(field(6, simulate::kLoopOrders - 1, 0));
    tile.kernel_height = layer.kernel_height;
    tile.kernel_width = layer.kernel_width;
    tile.depthwise = layer.depthwise();
    if ((tile.columns < layer.out_width && tile.rows * tile.images > 1) ||
        (tile.rows < layer.out_height && tile.images > 1)) {
      throw std::invalid_argument(
          "a tiling cuts pixels along one axis: columns of one row, rows of one image, or images");
    }
    if (tile.groups > 1 && (tile.inputs < layer.group_inputs() || tile.outputs < layer.group_outputs())) {
      throw std::invalid_argument("a tiling of several groups takes each as a whole");
    }
    return tiling;
  }

 private:
  const Rows& rows_;
  bool given_ = false;
  Napi::Int32Array values_;
};

// Runs `body` for each row; what it refuses is said with the layer's name.
template <typename F>
void ForEachRow(const Rows& rows, F&& body) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    try {
      body(i);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument("layer " + rows.name(i) + ": " + error.what());
    } catch (const std::range_error& error) {
      throw std::invalid_argument("layer " + rows.name(i) + ": " + error.what());
    }
  }
}

// One Float64Array a figure, one entry a row.
class Columns {
 public:
  Columns(Napi::Env env, std::size_t count) : env_(env), count_(count), object_(Napi::Object::New(env)) {}

  template <typename F>
  void Add(const char* name, F&& value) {
    auto column = Napi::Float64Array::New(env_, count_);
    double* data = column.Data();
    for (std::size_t i = 0; i < count_; ++i) data[i] = static_cast<double>(value(i));
    object_.Set(name, column);
  }
  Napi::Object object() const { return object_; }

 private:
  Napi::Env env_;
  std::size_t count_;
  Napi::Object object_;
};

Napi::Object ToColumns(Napi::Env env, const std::vector<Cost>& costs) {
  Columns columns(env, costs.size());
  const auto add = [&](const char* name, auto member) {
    columns.Add(name, [&](std::size_t i) { return costs[i].*member; });
  };
  add("cycles", &Cost::cycles);
  add("computeCycles", &Cost::compute_cycles);
  add("weightBits", &Cost::weight_bits);
  add("inputBits", &Cost::input_bits);
  add("partialBits", &Cost::partial_bits);
  add("outputBits", &Cost::output_bits);
  add("weightBufferReadBits", &Cost::weight_buffer_read_bits);
  add("weightBufferWriteBits", &Cost::weight_buffer_write_bits);
  add("inputBufferReadBits", &Cost::input_buffer_read_bits);
  add("inputBufferWriteBits", &Cost::input_buffer_write_bits);
  add("outputBufferReadBits", &Cost::output_buffer_read_bits);
  add("outputBufferWriteBits", &Cost::output_buffer_write_bits);
  add("computePj", &Cost::compute_pj);
  add("bufferPj", &Cost::buffer_pj);
  add("dramPj", &Cost::dram_pj);
  add("peakMacsPerCycle", &Cost::peak_macs_per_cycle);
  add("tiles", &Cost::tiles);
  auto tilings = Napi::Int32Array::New(env, kTilingFields * costs.size());
  for (std::size_t i = 0; i < costs.size(); ++i) {
    const simulate::Tile& tile = costs[i].tile;
    const std::int64_t values[kTilingFields] = {tile.groups,
                                                tile.images,
                                                tile.rows,
                                                tile.columns,
                                                tile.inputs,
                                                tile.outputs,
                                                static_cast<std::int64_t>(costs[i].order)};
    for (int f = 0; f < kTilingFields; ++f) tilings[kTilingFields * i + f] = static_cast<std::int32_t>(values[f]);
  }
  columns.object().Set("tilings", tilings);
  return columns.object();
}

// Totals of a replayed layer.
struct Replayed {
  std::int64_t cycles = 0;
  std::int64_t steps = 0;
  std::int64_t macs = 0;
  std::int64_t compute = 0;
  std::int64_t weight_load = 0;
  std::int64_t input_load = 0;
  std::int64_t partial_load = 0;
  std::int64_t partial_store = 0;
  std::int64_t output_store = 0;
};

class SimulatorWrap final : public Napi::ObjectWrap<SimulatorWrap> {
 public:
  static void Register(Napi::Env env, Napi::Object exports) {
    exports.Set("Simulator",
                DefineClass(env, "Simulator",
                            {InstanceMethod<&SimulatorWrap::Run>("run"), InstanceMethod<&SimulatorWrap::Array>("array"),
                             InstanceMethod<&SimulatorWrap::Replay>("replay"),
                             InstanceMethod<&SimulatorWrap::Timeline>("timeline")}));
  }

  explicit SimulatorWrap(const Napi::CallbackInfo& call) : Napi::ObjectWrap<SimulatorWrap>(call) {
    Guard(call.Env(), [&] { simulator_ = std::make_unique<simulate::Simulator>(ParseTarget(call[0])); });
  }

 private:
  Napi::Value Run(const Napi::CallbackInfo& call) {
    return Guard(call.Env(), [&]() -> Napi::Value {
      const Rows rows = ParseRows(call);
      const Tilings tilings(call[3], rows);
      std::vector<Cost> costs(rows.size());
      ForEachRow(rows, [&](std::size_t i) {
        costs[i] =
            tilings.given() ? simulator_->SimulateAt(rows.at(i), tilings.at(i)) : simulator_->Simulate(rows.at(i));
      });
      return ToColumns(call.Env(), costs);
    });
  }

  Napi::Value Array(const Napi::CallbackInfo& call) {
    return Guard(call.Env(), [&]() -> Napi::Value {
      const Rows rows = ParseRows(call);
      std::vector<Cost> costs(rows.size());
      ForEachRow(rows, [&](std::size_t i) { costs[i] = simulator_->ArrayOnly(rows.at(i)); });
      return ToColumns(call.Env(), costs);
    });
  }

  Napi::Value Replay(const Napi::CallbackInfo& call) {
    return Guard(call.Env(), [&]() -> Napi::Value {
      const Rows rows = ParseRows(call);
      const Tilings tilings(call[3], rows);
      std::vector<Replayed> totals(rows.size());
      ForEachRow(rows, [&](std::size_t i) { totals[i] = ReplayOne(rows.at(i), TilingAt(tilings, i)); });
      Columns columns(call.Env(), rows.size());
      const auto add = [&](const char* name, auto member) {
        columns.Add(name, [&](std::size_t i) { return totals[i].*member; });
      };
      add("cycles", &Replayed::cycles);
      add("steps", &Replayed::steps);
      add("macs", &Replayed::macs);
      add("computeCycles", &Replayed::compute);
      add("weightLoadCycles", &Replayed::weight_load);
      add("inputLoadCycles", &Replayed::input_load);
      add("partialLoadCycles", &Replayed::partial_load);
      add("partialStoreCycles", &Replayed::partial_store);
      add("outputStoreCycles", &Replayed::output_store);
      return columns.object();
    });
  }

  static std::optional<Tiling> TilingAt(const Tilings& tilings, std::size_t row) {
    return tilings.given() ? std::optional(tilings.at(row)) : std::nullopt;
  }

  Replayed ReplayOne(const Question& question, const std::optional<Tiling>& tiling) const {
    Replayed total;
    total.cycles = simulator_->Timeline(question, tiling, [&](const simulate::Step& step, const simulate::Tile& tile) {
      const std::int64_t stored = step.store_end - step.store_begin;
      total.steps += 1;
      total.macs += tile.macs();
      total.compute += step.compute_end - step.compute_begin;
      total.weight_load += step.weight_load;
      total.input_load += step.input_load;
      total.partial_load += step.partial_load;
      (step.complete ? total.output_store : total.partial_store) += stored;
      return true;
    });
    return total;
  }

  // The steps from `from` on, at most `limit`, of the first row.
  Napi::Value Timeline(const Napi::CallbackInfo& call) {
    return Guard(call.Env(), [&]() -> Napi::Value {
      const Rows rows = ParseRows(call);
      if (rows.size() != 1) throw Napi::RangeError::New(call.Env(), "a timeline is of one row");
      const std::int64_t from = ToInteger(call[3], "fromStep", 0, kMaxWalk);
      const std::int64_t limit = ToInteger(call[4], "steps", 1, 100000);
      std::vector<std::pair<simulate::Step, simulate::Tile>> steps;
      Cost cost;
      ForEachRow(rows, [&](std::size_t) {
        simulator_->Timeline(rows.at(0), std::nullopt, [&](const simulate::Step& step, const simulate::Tile& tile) {
          if (step.index >= from) steps.emplace_back(step, tile);
          return step.index + 1 < from + limit;
        });
        cost = simulator_->Simulate(rows.at(0));
      });
      Columns columns(call.Env(), steps.size());
      const auto add = [&](const char* name, auto member) {
        columns.Add(name, [&](std::size_t i) { return steps[i].first.*member; });
      };
      add("step", &simulate::Step::index);
      add("loadBegin", &simulate::Step::load_begin);
      add("weightLoad", &simulate::Step::weight_load);
      add("inputLoad", &simulate::Step::input_load);
      add("partialLoad", &simulate::Step::partial_load);
      add("computeBegin", &simulate::Step::compute_begin);
      add("computeEnd", &simulate::Step::compute_end);
      add("storeBegin", &simulate::Step::store_begin);
      add("storeEnd", &simulate::Step::store_end);
      add("complete", &simulate::Step::complete);
      columns.Add("macs", [&](std::size_t i) { return steps[i].second.macs(); });
      columns.object().Set("cycles", static_cast<double>(cost.cycles));
      columns.object().Set("steps", static_cast<double>(cost.tiles));
      return columns.object();
    });
  }

  std::unique_ptr<simulate::Simulator> simulator_;
};

}  // namespace

void RegisterSimulate(Napi::Env env, Napi::Object exports) { SimulatorWrap::Register(env, exports); }

}  // namespace lathe::binding
