// What other servers' clients may send that this server does not act on: at values that change nothing it is accepted,
// at others refused.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "server/json/parameter_table.h"

namespace batucada {

struct KnownParameter {
  std::string_view name;
  // JSON values, as elements of a list, at which the parameter changes nothing here; null always does not. "*": none
  // does whatever its value.
  std::string_view neutral;
  std::string_view note;  // whose it is, or why nothing depends on it
};

// The note where there is nothing to add.
inline constexpr std::string_view kNotSupported = "Not supported at other values.";

// One table for completions and chat.
std::span<const KnownParameter> KnownParameters();
// What completions or chat act on, for tables that do not: else they would be lost there.
std::span<const KnownParameter> OpenAiParameters();

// `neutral` as values. REQUIRES: it is not "*".
std::vector<boost::json::value> NeutralValues(const KnownParameter& known);

// Adds those of `known` that the table does not have yet, so that what it acts on stays.
template <typename Params>
void AddKnownParameters(std::span<const KnownParameter> known, ParameterTable<Params>& table) {
  for (const KnownParameter& one : known) {
    if (table.Has(one.name)) continue;
    if (one.neutral == "*") {
      table.AddAny(std::string(one.name), one.note);
    } else {
      table.AddRefused(std::string(one.name), NeutralValues(one), one.note);
    }
  }
}

}  // namespace batucada
