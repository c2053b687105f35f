// Abseil's string functions and maps for std::string_view: in some packages absl::string_view is a type of its own.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace batucada {

inline absl::string_view ToAbsl(std::string_view text) { return absl::string_view(text.data(), text.size()); }

// absl::StrCat.
template <typename... Parts>
std::string Concat(const Parts&... parts) {
  const auto part = [](const auto& p) -> decltype(auto) {
    if constexpr (std::is_same_v<std::decay_t<decltype(p)>, std::string_view>) {
      return ToAbsl(p);
    } else {
      return (p);
    }
  };
  return absl::StrCat(part(parts)...);
}

struct StringHash {
  using is_transparent = void;  // NOLINT(readability-identifier-naming): the library looks for this name
  size_t operator()(std::string_view text) const { return absl::HashOf(ToAbsl(text)); }
};

// Found by std::string_view without making a string.
template <typename Value>
using StringMap = absl::flat_hash_map<std::string, Value, StringHash, std::equal_to<>>;

}  // namespace batucada
