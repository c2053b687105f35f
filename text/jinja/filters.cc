#include "text/jinja/filters.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace batucada::jinja {
namespace {

using FilterMap = absl::flat_hash_map<std::string_view, const Filter*>;

FilterMap MakeFilterMap() {
  FilterMap map;
  for (const std::span<const Filter> part : {TextFilters(), NumberFilters(), SequenceFilters(), SelectionFilters()}) {
    for (const Filter& filter : part) map.emplace(filter.name, &filter);
  }
  return map;
}

}  // namespace

const Filter* FindFilter(std::string_view name) {
  static const auto& kFilters = *new FilterMap(MakeFilterMap());
  const auto found = kFilters.find(name);
  return found == kFilters.end() ? nullptr : found->second;
}

absl::Status NoFilter(std::string_view name) {
  static constexpr std::array<std::string_view, 10> kNames = {"filesizeformat", "groupby",   "pprint",    "random",
                                                              "slice",          "striptags", "urlencode", "urlize",
                                                              "wordwrap",       "xmlattr"};
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) {
    return absl::InvalidArgumentError(Concat("the filter '", name, "' is not supported"));
  }
  return absl::InvalidArgumentError(Concat("there is no filter '", name.substr(0, 100), "'"));
}

}  // namespace batucada::jinja
