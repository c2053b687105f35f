#include "loadtest/measure/slo.h"

#include <fmt/format.h>

#include "absl/strings/numbers.h"

namespace batucada::loadtest {

bool Slo::Holds(Duration request_ttft, Duration request_tpot, Duration request_e2el) const {
  return (!ttft || request_ttft <= *ttft) && (!tpot || request_tpot <= *tpot) && (!e2el || request_e2el <= *e2el);
}

absl::StatusOr<Slo> ParseSlo(const std::vector<std::string>& pairs) {
  Slo slo;
  for (const std::string& pair : pairs) {
    const size_t colon = pair.find(':');
    const std::string name = pair.substr(0, colon);
    std::optional<Duration>* bound = name == "ttft"   ? &slo.ttft
                                     : name == "tpot" ? &slo.tpot
                                     : name == "e2el" ? &slo.e2el
                                                      : nullptr;
    double milliseconds = 0;
    if (bound == nullptr || colon == pair.npos || !absl::SimpleAtod(pair.substr(colon + 1), &milliseconds) ||
        !(milliseconds >= 0 && milliseconds < 1e9)) {
      return absl::InvalidArgumentError(
          fmt::format("--goodput is '{}': give ttft:MS, tpot:MS or e2el:MS, for example ttft:200", pair));
    }
    *bound = FromSeconds(milliseconds / 1000);
  }
  return slo;
}

}  // namespace batucada::loadtest
