// The names that a server answers to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace batucada {

// A name that a client made up for a pattern is repeated in every message of an answer: not longer than this.
inline constexpr size_t kMaxModelNameBytes = 256;

// Whether `name` is `pattern`, each of whose '*' stands for any text, none too.
bool MatchesPattern(std::string_view pattern, std::string_view name);
// Whether a served name is a pattern: it holds a '*'.
bool IsPattern(std::string_view name);

// The served name that `name` means: itself, if it is one of `names` or fits a pattern among them, or the first if it
// is empty or what clients write for none ("dummy", "tgi", "default"). NOT_FOUND else. REQUIRES: the first is no
// pattern.
absl::StatusOr<std::string> ResolveModel(const std::string& name, const std::vector<std::string>& names);

}  // namespace batucada
