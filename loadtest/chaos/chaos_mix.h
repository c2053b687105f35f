// Which sessions misbehave, and how: drawn from the seed, so that the same ones do every time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace batucada::loadtest {

enum class Mischief : uint8_t {
  kNone,
  kCancel,     // asks and leaves at a random time, in order or with a reset
  kSlow,       // asks and reads a few bytes a second
  kHalfClose,  // asks and says that it will send no more
  kGarbage,    // sends bytes that are no request, or a request with bytes changed
  kOversize,   // sends heads, bodies and numbers far beyond every limit
  kFlood,      // opens many connections at once that say nothing, or half a request
};
inline constexpr size_t kMischiefs = 7;

// As in flags and reports.
constexpr std::string_view MischiefName(Mischief mischief) {
  constexpr std::array<std::string_view, kMischiefs> kNames = {"none",    "cancel",   "slow", "half-close",
                                                               "garbage", "oversize", "flood"};
  return kNames[static_cast<size_t>(mischief)];
}

class ChaosMix {
 public:
  // "cancel=0.2,slow=0.1": shares of all sessions, together at most 1; "all=0.6": a tenth of each. INVALID_ARGUMENT:
  // not that.
  static absl::StatusOr<ChaosMix> Parse(std::string_view text);

  // What session `index` does.
  Mischief Draw(uint64_t seed, uint64_t index) const;
  bool Any() const;

 private:
  std::array<double, kMischiefs> shares_{};  // that of kNone is unused
};

}  // namespace batucada::loadtest
