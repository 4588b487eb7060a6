// Walking a flat array by whole vectors, and what is left by a part of one.
#pragma once

#include "kernels/isa/columns.h"
#include "kernels/isa/vec.h"

namespace lathe::LATHE_ISA {
namespace {

// How a body loads and stores its lanes.
template <typename C>
struct Lanes {
  int count;
  Vec load(const float* p) const { return LoadLanes<C::whole>(p, count); }
  void store(float* p, Vec v) const { StoreLanes<C::whole>(p, v, count); }
};

// Calls body(lanes, index) for whole vectors and for what is left.
template <typename Body>
inline void ForFlat(std::size_t count, Body body) {
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) body(Lanes<Columns<1, true>>{kWidth}, i);
  if (i < count) body(Lanes<Part>{static_cast<int>(count - i)}, i);
}

}  // namespace
}  // namespace lathe::LATHE_ISA
