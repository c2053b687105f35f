// Reaching into values: attributes, elements, slices, and what a loop walks over.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// object.name: a method or attribute of the Python type, else the dict's entry of that name, else undefined. What would
// change the object is undefined too, as in jinja2's immutable sandbox. INVALID_ARGUMENT for an undefined object.
[[nodiscard]] absl::StatusOr<Value> GetAttribute(Runtime& runtime, const Value& object, std::string_view name);

// object[index]: an entry or an element, else the attribute of that name, else undefined.
[[nodiscard]] absl::StatusOr<Value> GetItem(Runtime& runtime, const Value& object, const Value& index);

// object[start:stop:step]; none stands for what is left out. INVALID_ARGUMENT where Python raises.
[[nodiscard]] absl::StatusOr<Value> GetSlice(Runtime& runtime, const Value& object, const Value& start,
                                             const Value& stop, const Value& step);

// What iterating yields: the elements of a sequence, the keys of a dict, the characters of a string, nothing of an
// undefined value. A generator is used up by it. INVALID_ARGUMENT for what cannot be iterated.
[[nodiscard]] absl::StatusOr<std::shared_ptr<const Sequence>> Iterate(Runtime& runtime, const Value& value);

// len(). INVALID_ARGUMENT for what has no length.
[[nodiscard]] absl::StatusOr<int64_t> LengthOf(Runtime& runtime, const Value& value);

// Sets an attribute of a namespace. INVALID_ARGUMENT for names with a leading underscore, as Hugging Face has it.
[[nodiscard]] absl::Status SetAttribute(Runtime& runtime, Namespace& names, std::string_view name, const Value& value);

// The error of using an undefined value.
absl::Status UndefinedError(const Value& undefined);

// The `attribute` argument of map, selectattr, sort and others: "function.name", or an index.

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
