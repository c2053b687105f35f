// The methods of list, tuple and dict.
#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/comparison.h"
#include "text/jinja/methods.h"

namespace batucada::jinja {
namespace {

absl::StatusOr<Value> ListCopy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("copy()", arguments, {}, 0).status());
  return runtime.List(self.sequence()->items);
}

absl::StatusOr<Value> SequenceCount(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("count()", arguments, {"value"}, 1));
  int64_t count = 0;
  for (const Value& item : self.sequence()->items) {
    BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime, item, *bound[0]));
    if (equal) ++count;
  }
  return Value::Int(count);
}

absl::StatusOr<Value> SequenceIndex(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("index()", arguments, {"value"}, 1));
  const std::vector<Value>& items = self.sequence()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime, items[i], *bound[0]));
    if (equal) return Value::Int(static_cast<int64_t>(i));
  }
  return absl::InvalidArgumentError(Concat("the value is not in the ", self.TypeName()));
}

absl::StatusOr<Value> DictCopy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("copy()", arguments, {}, 0).status());
  return runtime.OwnDict(self.dict());
}

absl::StatusOr<Value> DictGet(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("get()", arguments, {"key", "default"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const bool known, Contains(runtime, self, *bound[0]));
  if (known) return *self.dict().Find(*bound[0]);
  return bound[1] == nullptr ? Value() : *bound[1];
}

absl::StatusOr<Value> DictKeys(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("keys()", arguments, {}, 0).status());
  std::vector<Value> keys;
  for (const Dict::Entry& entry : self.dict().entries()) keys.push_back(entry.first);
  return runtime.Sequence(SequenceKind::kKeys, std::move(keys));
}

absl::StatusOr<Value> DictValues(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("values()", arguments, {}, 0).status());
  std::vector<Value> values;
  for (const Dict::Entry& entry : self.dict().entries()) values.push_back(entry.second);
  return runtime.Sequence(SequenceKind::kValues, std::move(values));
}

absl::StatusOr<Value> DictItems(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("items()", arguments, {}, 0).status());
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict().entries()) {
    BATUCADA_ASSIGN_OR_RETURN(Value item, runtime.Tuple({key, value}));
    items.push_back(std::move(item));
  }
  return runtime.Sequence(SequenceKind::kItems, std::move(items));
}

// In the order of their names.
constexpr Method kSequenceMethods[] = {{"copy", ListCopy}, {"count", SequenceCount}, {"index", SequenceIndex}};
constexpr Method kDictMethods[] = {
    {"copy", DictCopy}, {"get", DictGet}, {"items", DictItems}, {"keys", DictKeys}, {"values", DictValues}};

template <size_t size>
const Method* FindIn(const Method (&methods)[size], std::string_view name) {
  const auto* found =
      std::find_if(std::begin(methods), std::end(methods), [&](const Method& method) { return method.name == name; });
  return found == std::end(methods) ? nullptr : found;
}

}  // namespace

const Method* FindSequenceMethod(const Value& self, std::string_view name) {
  if (self.Is(SequenceKind::kList)) return FindIn(kSequenceMethods, name);
  const bool tuple_has_it = name != "copy" && (self.Is(SequenceKind::kTuple) || self.Is(SequenceKind::kRange));
  return tuple_has_it ? FindIn(kSequenceMethods, name) : nullptr;
}

const Method* FindDictMethod(std::string_view name) { return FindIn(kDictMethods, name); }

}  // namespace batucada::jinja
