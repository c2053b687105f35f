#include "text/jinja/attribute_path.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "text/jinja/access.h"
#include "text/jinja/letter_case.h"
#include "text/jinja/string_split.h"

namespace batucada::jinja {

absl::StatusOr<AttributePath> AttributePath::Parse(Runtime& runtime, const Value& attribute) {
  AttributePath path;
  if (attribute.Is(Kind::kNone)) return path;
  if (!attribute.Is(Kind::kString)) {
    path.parts_.push_back(attribute);
    return path;
  }
  BATUCADA_ASSIGN_OR_RETURN(const auto parts, SplitAt(runtime, attribute.text(), ".", -1, SplitFrom::kLeft));
  for (const std::string_view part : parts) {
    int64_t index = 0;
    const auto number = std::from_chars(part.data(), part.data() + part.size(), index);
    if (!part.empty() && part[0] != '-' && number.ec == std::errc() && number.ptr == part.data() + part.size()) {
      path.parts_.push_back(Value::Int(index));
      continue;
    }
    BATUCADA_ASSIGN_OR_RETURN(Value name, runtime.String(part));
    path.parts_.push_back(std::move(name));
  }
  return path;
}

absl::StatusOr<Value> AttributePath::Get(Runtime& runtime, Value item, const std::optional<Value>& fallback) const {
  for (const Value& part : parts_) {
    BATUCADA_RETURN_IF_ERROR(runtime.Step());
    BATUCADA_ASSIGN_OR_RETURN(item, GetItem(runtime, item, part));
    if (fallback.has_value() && item.Is(Kind::kUndefined)) item = *fallback;
  }
  return item;
}

absl::StatusOr<Value> IgnoreCase(Runtime& runtime, const Value& value) {
  if (!value.Is(Kind::kString)) return value;
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(value.text()));
  return runtime.String(Lower(value.text()));
}

}  // namespace batucada::jinja
