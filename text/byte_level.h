// The byte-level alphabet of GPT-2: a printable character for every byte, so that a vocabulary of strings can spell any
// sequence of bytes. Printable Latin-1 stands for itself, the other 68 bytes for U+0100 and up, in order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace batucada {

// The character for `byte`, as UTF-8.
std::string_view ByteLevelCharacter(uint8_t byte);

// The byte that `character` stands for, if it is in the alphabet.
std::optional<uint8_t> ByteLevelByte(char32_t character);

// The bytes a token spells, or nothing if any of its characters is outside the alphabet. REQUIRES: valid UTF-8.
std::optional<std::string> ByteLevelDecode(std::string_view token);

}  // namespace batucada
