// Formats of strings (JSON Schema 2020-12, section 7.3) as regular expressions over the whole string.
#pragma once

#include <string_view>
#include <vector>

namespace batucada::grammar {

// Empty if it is none of those that are held to.
std::string_view FormatPattern(std::string_view format);
std::vector<std::string_view> FormatNames();

}  // namespace batucada::grammar
