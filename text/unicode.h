// Character properties and normal forms (utf8proc).
#pragma once

#include <string>
#include <string_view>

namespace batucada {

bool IsWhitespace(char32_t codepoint);     // White_Space
bool IsWordCharacter(char32_t codepoint);  // letters, marks, digits, connectors and joiners: \w of UTS #18

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// In time and memory of the text's length, whatever it is made of. REQUIRES: valid UTF-8, shorter than 2^30 bytes.
std::string Normalized(std::string_view text, NormalForm form);

// Full, context-free lower case.
std::string Lowercased(std::string_view text);

bool IsAscii(std::string_view text);

}  // namespace batucada
