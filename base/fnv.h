// FNV-1a of 64 bits (G. Fowler, L. C. Noll, K.-P. Vo; RFC 9923): short, the same on every machine, and no defence
// against whoever chooses what is hashed.
#pragma once

#include <cstdint>
#include <string_view>

namespace batucada {

inline constexpr uint64_t kFnvBasis = 0xcbf29ce484222325;

// One step: of a byte, or of a word where only equality counts.
constexpr uint64_t FnvStep(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x100000001b3; }

constexpr uint64_t Fnv1a(std::string_view text, uint64_t hash = kFnvBasis) {
  for (const char c : text) hash = FnvStep(hash, static_cast<unsigned char>(c));
  return hash;
}

}  // namespace batucada
