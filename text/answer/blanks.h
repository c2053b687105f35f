// The blanks of JSON (RFC 8259), which models also put between the parts of an answer.
#pragma once

#include <string_view>

namespace batucada {

inline constexpr std::string_view kBlanks = " \t\r\n";
constexpr bool IsBlank(char c) { return kBlanks.find(c) != kBlanks.npos; }

}  // namespace batucada
