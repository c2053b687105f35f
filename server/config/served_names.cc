#include "server/config/served_names.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "server/common/error.h"

namespace batucada {
namespace {

// What huggingface_hub, TGI's and SGLang's clients write where no model was named.
constexpr std::array<std::string_view, 3> kNoNames = {"dummy", "tgi", "default"};

}  // namespace

bool IsPattern(std::string_view name) { return name.find('*') != name.npos; }

bool MatchesPattern(std::string_view pattern, std::string_view name) {
  // Where one '*' cannot take enough, only the last one needs to take more: linear in the product of both lengths.
  size_t p = 0, n = 0, star = pattern.npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p, ++n;
    } else if (star != pattern.npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

absl::StatusOr<std::string> ResolveModel(const std::string& name, const std::vector<std::string>& names) {
  if (name.empty()) return names.front();
  const auto serves = [&name](const std::string& served) {
    return served == name || (IsPattern(served) && name.size() <= kMaxModelNameBytes && MatchesPattern(served, name));
  };
  if (std::any_of(names.begin(), names.end(), serves)) return name;
  if (std::find(kNoNames.begin(), kNoNames.end(), name) != kNoNames.end()) return names.front();
  return WithParameter(
      absl::NotFoundError(fmt::format("the model '{}' does not exist: this server has {}",
                                      Printable(std::string_view{name}.substr(0, 200)), fmt::join(names, ", "))),
      "model", "model_not_found");
}

}  // namespace batucada
