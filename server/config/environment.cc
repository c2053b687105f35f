// Environment variables that look as if they were options.
#include <algorithm>
#include <numeric>
#include <regex>
#include <string_view>

#include <fmt/format.h>

#include "server/config/options.h"

namespace batucada {
namespace {

constexpr std::string_view kOurs = "BATUCADA_";

// How many characters must be put in, left out or exchanged to make one of the other.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

// Kubernetes puts every service of a namespace into its pods' environment.
bool IsOfAService(const std::string& name) {
  static const std::regex* const kService =
      new std::regex("(.*_SERVICE_(HOST|PORT)(_.*)?|.*_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)");
  return std::regex_match(name, *kService);
}

}  // namespace

absl::Status OptionTable::CheckEnvironment(const std::vector<std::string>& names,
                                           std::vector<std::string>* unknown) const {
  constexpr size_t kShort = 8;  // such a name has few neighbours that are not words of their own
  constexpr size_t kMaxBytes = 80;
  for (const std::string& name : names) {
    if (!name.starts_with(kOurs) || name == "BATUCADA_CONFIG" || name.size() > kMaxBytes || IsOfAService(name))
      continue;
    bool known = false;
    std::string near;
    for (const Option& option : options_) {
      const std::string own = EnvironmentName(option.flag);
      known = known || own == name;
      const size_t allowed = own.size() - kOurs.size() < kShort ? 1 : 2;
      if (Distance(own, name) <= allowed) near = own;
    }
    if (known) continue;
    if (!near.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("the environment variable {} sets nothing: is {} meant? Unset it otherwise", name, near));
    }
    unknown->push_back(name);
  }
  return absl::OkStatus();
}

}  // namespace batucada
