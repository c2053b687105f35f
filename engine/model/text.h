// absl::StrCat for std::string_view as well: Abseil as distributions build it has a string_view of its own, to which
// std's does not convert. NameOf(DType) and our own interfaces speak std's.
#pragma once

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace batucada {
namespace text_internal {

template <typename T>
const T& AsPart(const T& part) {
  return part;
}
inline absl::string_view AsPart(std::string_view part) { return {part.data(), part.size()}; }

}  // namespace text_internal

template <typename... Parts>
std::string Concat(const Parts&... parts) {
  return absl::StrCat(text_internal::AsPart(parts)...);
}

}  // namespace batucada
