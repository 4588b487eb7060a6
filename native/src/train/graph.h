// A program lowered to operators that run: batch norms and activations are merged into what they follow, so that their
// tensors never exist.
#pragma once

#include <memory>
#include <vector>

#include "train/op.h"
#include "train/parameters.h"
#include "train/program.h"

namespace lathe {

struct Graph {
  std::vector<Tensor> tensors;           // by tensor number; merged ones stay without memory
  std::vector<std::unique_ptr<Op>> ops;  // in order
  std::vector<int> externals;            // tensor numbers of the inputs
  int result = 0;                        // tensor number

  // The result's gradient comes from outside and counts as a reader. `ranges` has an entry an operator of `specs`:
  // where there is one, what enters that operator is quantized on the way, for training; or none for none at all. What
  // writes a tensor that is `kept` (by number; empty: none) is not merged with what follows, so that its values exist.
  static std::unique_ptr<Graph> Build(const std::vector<OpSpec>& specs, const std::vector<Shape>& inputs,
                                      const ParameterLayout& layout, bool wantInputGradients,
                                      const std::vector<ActivationRange*>& ranges = {},
                                      const std::vector<bool>& kept = {});

  // Whether a tensor's values are never negative, by what made it.
  bool NonNegative(int tensor) const;
};

}  // namespace lathe
