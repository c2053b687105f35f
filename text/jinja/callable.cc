#include "text/jinja/callable.h"

#include <algorithm>

#include "base/strings.h"

namespace batucada::jinja {

const Value* Arguments::FindKeyword(std::string_view name) const {
  for (const auto& [keyword_name, value] : keyword) {
    if (keyword_name == name) return &value;
  }
  return nullptr;
}

absl::StatusOr<std::optional<Value>> Callable::Attribute(std::string_view) { return std::optional<Value>(); }

absl::StatusOr<std::vector<const Value*>> Bind(std::string_view function, const Arguments& arguments,
                                               std::vector<std::string_view> names, size_t required) {
  std::vector<const Value*> bound(names.size(), nullptr);
  if (arguments.positional.size() > names.size()) {
    return absl::InvalidArgumentError(
        Concat(function, " takes at most ", names.size(), " arguments, ", arguments.positional.size(), " were given"));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.keyword) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      return absl::InvalidArgumentError(Concat(function, " has no argument '", name, "'"));
    }
    const Value*& place = bound[static_cast<size_t>(found - names.begin())];
    if (place != nullptr) {
      return absl::InvalidArgumentError(Concat(function, " was given two values for '", name, "'"));
    }
    place = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (bound[i] == nullptr) {
      return absl::InvalidArgumentError(Concat(function, " needs the argument '", names[i], "'"));
    }
  }
  return bound;
}

absl::StatusOr<int64_t> IntArgument(const Value* argument, std::string_view name, int64_t fallback) {
  if (argument == nullptr) return fallback;
  if (argument->is_integral()) return argument->integer();
  return absl::InvalidArgumentError(Concat("'", name, "' must be an integer, not ", argument->TypeName()));
}

absl::StatusOr<std::string_view> TextArgument(const Value* argument, std::string_view name, std::string_view fallback) {
  if (argument == nullptr) return fallback;
  if (argument->Is(Kind::kString)) return std::string_view(argument->text());
  return absl::InvalidArgumentError(Concat("'", name, "' must be a string, not ", argument->TypeName()));
}

bool TruthArgument(const Value* argument, bool fallback) { return argument == nullptr ? fallback : argument->Truth(); }

}  // namespace batucada::jinja
