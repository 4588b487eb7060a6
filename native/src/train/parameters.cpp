#include "train/parameters.h"

namespace lathe {

const char* RoleName(Role role) {
  switch (role) {
    case Role::kWeight:
      return "weight";
    case Role::kBias:
      return "bias";
    case Role::kGamma:
      return "gamma";
    case Role::kBeta:
      return "beta";
    case Role::kRunningMean:
      return "runningMean";
    case Role::kRunningVariance:
      return "runningVariance";
    case Role::kScale:
      return "scale";
    default:
      return "shift";
  }
}

ParameterLayout::ParameterLayout(const std::vector<OpSpec>& ops) {
  const auto add = [this](int op, Role role, std::vector<int> shape) {
    std::size_t length = 1;
    for (const int extent : shape) length *= static_cast<std::size_t>(extent);
    parameters_.push_back({op, role, size_, length, std::move(shape)});
    size_ += length;
  };
  for (int i = 0; i < static_cast<int>(ops.size()); ++i) {
    const OpSpec& op = ops[i];
    if (op.kind == OpKind::kConv) {
      add(i, Role::kWeight, {op.outChannels, op.kernel.height, op.kernel.width, op.inChannels / op.groups});
    }
    if (op.kind == OpKind::kLinear) add(i, Role::kWeight, {op.outChannels, op.inChannels});
    if (op.quantizable() && op.bias) add(i, Role::kBias, {op.outChannels});
    if (op.kind == OpKind::kBatchNorm) {
      for (const Role role : {Role::kGamma, Role::kBeta, Role::kRunningMean, Role::kRunningVariance}) {
        add(i, role, {op.channels});
      }
    }
    if (op.kind == OpKind::kChannelAffine) {
      for (const Role role : {Role::kScale, Role::kShift}) add(i, role, {op.channels});
    }
  }
}

ParameterLayout::ParameterLayout(const std::vector<OpSpec>& ops, std::size_t size,
                                 const std::function<std::size_t(const OpSpec&, const Parameter&)>& place)
    : ParameterLayout(ops) {
  for (Parameter& p : parameters_) p.offset = place(ops[p.op], p);
  size_ = size;
}

const Parameter* ParameterLayout::Find(int op, Role role) const {
  for (const Parameter& p : parameters_) {
    if (p.op == op && p.role == role) return &p;
  }
  return nullptr;
}

}  // namespace lathe
