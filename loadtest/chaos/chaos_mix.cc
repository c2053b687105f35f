#include "loadtest/chaos/chaos_mix.h"

#include <numeric>

#include <fmt/format.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "loadtest/random.h"

namespace batucada::loadtest {

absl::StatusOr<ChaosMix> ChaosMix::Parse(std::string_view text) {
  ChaosMix mix;
  for (const absl::string_view part :
       absl::StrSplit(absl::string_view(text.data(), text.size()), ',', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(part, absl::MaxSplits('=', 1));
    double share = 0;
    bool known = absl::SimpleAtod(pair.second, &share) && share >= 0 && share <= 1;
    if (known && pair.first == "all") {
      for (size_t i = 1; i < kMischiefs; ++i) mix.shares_[i] += share / (kMischiefs - 1);
      continue;
    }
    size_t kind = 1;
    while (kind < kMischiefs && pair.first != MischiefName(static_cast<Mischief>(kind))) ++kind;
    known = known && kind < kMischiefs;
    if (!known) {
      return absl::InvalidArgumentError(fmt::format(
          "--chaos has '{}': give KIND=SHARE with a share of 0 to 1 and a kind of cancel, slow, half-close, "
          "garbage, oversize, flood or all",
          std::string(part)));
    }
    mix.shares_[kind] += share;
  }
  if (std::accumulate(mix.shares_.begin(), mix.shares_.end(), 0.0) <= 1 + 1e-9) return mix;
  return absl::InvalidArgumentError(fmt::format("--chaos {}: the shares are more than 1 together", text));
}

Mischief ChaosMix::Draw(uint64_t seed, uint64_t index) const {
  double left = Random(seed, Use::kChaos, index).Unit();
  for (size_t i = 1; i < kMischiefs; ++i) {
    if (left < shares_[i]) return static_cast<Mischief>(i);
    left -= shares_[i];
  }
  return Mischief::kNone;
}

bool ChaosMix::Any() const { return std::accumulate(shares_.begin(), shares_.end(), 0.0) > 0; }

}  // namespace batucada::loadtest
