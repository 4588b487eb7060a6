// Where each parameter lies in the flat parameter array.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "train/program.h"

namespace lathe {

enum class Role { kWeight, kBias, kGamma, kBeta, kRunningMean, kRunningVariance, kScale, kShift };

const char* RoleName(Role role);

struct Parameter {
  int op = 0;  // index into the program's operators
  Role role = Role::kWeight;
  std::size_t offset = 0;  // in floats
  std::size_t length = 0;
  std::vector<int> shape;
  bool trained() const { return role <= Role::kBeta; }
  bool decayed() const { return role == Role::kWeight; }
};

class ParameterLayout {
 public:
  explicit ParameterLayout(const std::vector<OpSpec>& ops);

  // Of operators whose parameters lie elsewhere, in a larger array of `size` floats: `place` says where each begins.
  ParameterLayout(const std::vector<OpSpec>& ops, std::size_t size,
                  const std::function<std::size_t(const OpSpec&, const Parameter&)>& place);

  const std::vector<Parameter>& all() const { return parameters_; }
  std::size_t size() const { return size_; }  // floats

  // The parameter of an operator, or null where it has none of that role.
  const Parameter* Find(int op, Role role) const;

 private:
  std::vector<Parameter> parameters_;
  std::size_t size_ = 0;
};

}  // namespace lathe
