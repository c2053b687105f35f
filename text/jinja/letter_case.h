// Upper and lower case as Python's str has them: full mappings (ß to SS), Greek's final sigma included.
//
// REQUIRES everywhere: valid UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace batucada::jinja {

bool IsUpper(char32_t c);
bool IsLower(char32_t c);
bool IsCased(char32_t c);  // upper, lower or title case
bool IsAlphabetic(char32_t c);
bool IsDecimal(char32_t c);
bool IsNumeric(char32_t c);  // digits, fractions, Roman numerals

std::string Lower(std::string_view text);
std::string Upper(std::string_view text);
std::string SwapCase(std::string_view text);
std::string Title(std::string_view text);       // each run of letters begins with a capital
std::string Capitalize(std::string_view text);  // the first character alone does

}  // namespace batucada::jinja
