#include "server/http/query.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/json.h"
#include "server/common/error.h"
#include "server/http/router.h"

namespace batucada {
namespace {

bool Has(std::initializer_list<std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

absl::StatusOr<StringMap<std::string>> ReadQuery(std::string_view query, std::initializer_list<std::string_view> known,
                                                 UnknownMembers* unknown, std::initializer_list<std::string_view> lists,
                                                 std::vector<std::string>* listed) {
  StringMap<std::string> read;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    std::string name, value, escaped(pair.substr(std::min(pair.size(), equals + 1)));
    std::replace(escaped.begin(), escaped.end(), '+', ' ');
    if (!PercentDecode(pair.substr(0, equals), &name) || !PercentDecode(escaped, &value)) {
      const std::string shown = Printable(pair.substr(0, equals));
      return InvalidParameter(shown, fmt::format("{} has an escape that is none", shown));
    }
    if (Has(lists, name)) {
      if (listed != nullptr) listed->push_back(std::move(value));
      continue;
    }
    if (Has(known, name)) {
      if (read.emplace(name, std::move(value)).second) continue;
      return InvalidParameter(name, fmt::format("{} is there twice: give it once", name));
    }
    if (unknown->policy == UnknownMembers::Policy::kIgnore) {
      unknown->Ignore(name);
      continue;
    }
    const std::string shown = name.empty() ? "\"\"" : Printable(name);
    return InvalidParameter(shown, fmt::format("{} is not a parameter of this endpoint: leave it out", shown),
                            "unknown_parameter");
  }
  return read;
}

}  // namespace batucada
