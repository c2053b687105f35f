// The `attribute` argument of map, selectattr, sort and others: "function.name", or an index.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

class AttributePath {
 public:
  // None is the item itself; a string is split at its dots, numbers are indices.
  [[nodiscard]] static absl::StatusOr<AttributePath> Parse(Runtime& runtime, const Value& attribute);

  // What the path leads to from `item`; `fallback`, if there is one, where it leads to nothing.
  [[nodiscard]] absl::StatusOr<Value> Get(Runtime& runtime, Value item, const std::optional<Value>& fallback) const;

 private:
  std::vector<Value> parts_;
};

// Strings in lower case, everything else as it is: how sort, unique, min and max compare by default.
[[nodiscard]] absl::StatusOr<Value> IgnoreCase(Runtime& runtime, const Value& value);

}  // namespace batucada::jinja
