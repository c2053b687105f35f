// Members that belong into another object of the request: a client that puts them beside it is told so, rather than
// answered as if they were not there.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

#include "server/json/parameter_table.h"

namespace batucada {

// Those of `inner`, which stands in the member `where`, that the table does not have itself.
template <typename Params>
void AddMisplaced(const ParameterTable<Params>& inner, std::string_view where, ParameterTable<Params>& table) {
  for (const std::string& name : inner.Names()) {
    if (table.Has(name)) continue;
    boost::json::object schema;
    schema["description"] = fmt::format("Belongs into {}.", where);
    schema["enum"] = boost::json::array{nullptr};
    table.AddRead(name, std::move(schema), [name, where = std::string(where)](RequestReader& reader, Params&) {
      if (reader.Take(name) == nullptr) return;
      reader.Fail(name, fmt::format("has no meaning here: put it into {}", where), "unsupported_parameter");
    });
  }
}

}  // namespace batucada
