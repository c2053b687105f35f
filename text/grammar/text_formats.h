// Formats of strings (JSON Schema 2020-12, section 7.3) as regular expressions over the whole string.
#pragma once

#include <string_view>
#include <vector>

namespace batucada::grammar {

// Empty if it is none of those that are held to.
std::string_view FormatPattern(std::string_view format);
std::vector<std::string_view> FormatNames();

// Whether it is one that says something about a text, to which no text is held (section 7.2.1); docs/api.md names them.
bool IsAnnotation(std::string_view format);

}  // namespace batucada::grammar
