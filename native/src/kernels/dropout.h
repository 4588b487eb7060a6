// What dropout draws: a hash of a key and the element's number, so that it depends on neither threads nor tiles, and a
// resumed training draws what an uninterrupted one would have.
#pragma once

#include <cstdint>

namespace lathe {

// Splitmix64's finaliser (Steele, Lea and Flood 2014).
inline std::uint64_t MixBits(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The key of one operator in one step.
inline std::uint64_t DropoutKey(std::uint64_t seed, std::uint64_t step, int op) {
  return MixBits(MixBits(MixBits(seed) ^ step) ^ static_cast<std::uint64_t>(op));
}

// 32 random bits for an element: two rounds of Wellons' integer hashes, keyed. kernels/isa has it on vectors.
inline std::uint32_t DropoutDraw(std::uint64_t key, std::uint32_t element) {
  std::uint32_t h = element ^ static_cast<std::uint32_t>(key);
  h ^= h >> 16;
  h *= 0x7feb352du;
  h ^= h >> 15;
  h *= 0x846ca68bu;
  h ^= h >> 16;
  h += static_cast<std::uint32_t>(key >> 32);
  h ^= h >> 17;
  h *= 0xed5ad4bbu;
  h ^= h >> 11;
  h *= 0xac4c1b51u;
  h ^= h >> 15;
  return h;
}

// Below it an element becomes 0.
inline std::uint32_t DropoutThreshold(double probability) {
  return static_cast<std::uint32_t>(probability * 4294967296.0);
}

}  // namespace lathe
