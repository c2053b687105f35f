// How a server took what was done to it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "loadtest/chaos/chaos_mix.h"

namespace batucada::loadtest {

enum class ChaosOutcome : uint8_t {
  kAnswered,      // a whole answer of 2xx: harmless after all, or taken in good humour
  kRefused,       // 4xx, and 501 and 505, which say that the request is of no kind that is known
  kUnavailable,   // 503
  kServerError,   // any other 5xx: the server blames itself for what a stranger did
  kClosed,        // it ended the connection without a whole answer
  kLeft,          // the client left as it meant to, while the server still served or waited
  kNoConnection,  // it could not be reached
};
inline constexpr size_t kChaosOutcomes = 7;

constexpr std::string_view ChaosOutcomeName(ChaosOutcome outcome) {
  constexpr std::array<std::string_view, kChaosOutcomes> kNames = {
      "answered", "refused_4xx", "unavailable_503", "other_5xx", "closed", "left", "no_connection"};
  return kNames[static_cast<size_t>(outcome)];
}

// Not thread-safe: one per thread, merged when they are done.
struct ChaosTally {
  std::array<std::array<int64_t, kChaosOutcomes>, kMischiefs> counts{};

  void Add(Mischief mischief, ChaosOutcome outcome) {
    ++counts[static_cast<size_t>(mischief)][static_cast<size_t>(outcome)];
  }
  void Merge(const ChaosTally& other) {
    for (size_t i = 0; i < kMischiefs; ++i) {
      for (size_t j = 0; j < kChaosOutcomes; ++j) counts[i][j] += other.counts[i][j];
    }
  }
  int64_t Total(Mischief mischief) const {
    int64_t total = 0;
    for (const int64_t count : counts[static_cast<size_t>(mischief)]) total += count;
    return total;
  }
  int64_t Total() const {
    int64_t total = 0;
    for (size_t i = 0; i < kMischiefs; ++i) total += Total(static_cast<Mischief>(i));
    return total;
  }
};

}  // namespace batucada::loadtest
