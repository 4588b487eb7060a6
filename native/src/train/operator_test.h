// One operator alone, for tests: through the same graph, kernels and threads as in a network, or through its slow twin
// in double precision.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "train/program.h"

namespace lathe {

using NamedValues = std::map<std::string, std::vector<double>>;  // by role

struct OperatorCall {
  OpSpec op;
  int batch = 1;
  std::vector<Shape> shapes;  // of the inputs
  bool training = false;
  std::vector<std::vector<double>> inputs;  // (N, H, W, C) each
  NamedValues parameters;
  std::vector<double> dOutput;       // empty: forward alone
  std::uint64_t seed = 0, step = 0;  // of dropout
};

struct OperatorResult {
  std::vector<double> output;
  std::vector<std::vector<double>> dInputs;
  NamedValues dParameters;
  NamedValues state;  // batch norm's new running statistics
};

// Both throw std::invalid_argument where a size is wrong.
OperatorResult RunFastOperator(const OperatorCall& call);
OperatorResult RunReferenceOperator(const OperatorCall& call);

}  // namespace lathe
