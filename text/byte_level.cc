#include "text/byte_level.h"

#include <array>

#include "text/utf8.h"

namespace batucada {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr int kStandIns = 68;

constexpr bool StandsForItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<std::string, 256> characters;
  std::array<uint8_t, kStandIns> stand_ins{};  // byte by character - kFirstStandIn
};

const Alphabet& TheAlphabet() {
  static const Alphabet alphabet = [] {
    Alphabet result;
    size_t next = 0;
    for (int byte = 0; byte < 256; ++byte) {
      char32_t character = static_cast<char32_t>(byte);
      if (!StandsForItself(byte)) {
        result.stand_ins[next] = static_cast<uint8_t>(byte);
        character = kFirstStandIn + static_cast<char32_t>(next++);
      }
      AppendUtf8(character, &result.characters[static_cast<size_t>(byte)]);
    }
    return result;
  }();
  return alphabet;
}

}  // namespace

std::string_view ByteLevelCharacter(uint8_t byte) { return TheAlphabet().characters[byte]; }

std::optional<uint8_t> ByteLevelByte(char32_t character) {
  if (character < kFirstStandIn) {
    if (!StandsForItself(static_cast<int>(character))) return std::nullopt;
    return static_cast<uint8_t>(character);
  }
  if (character >= kFirstStandIn + kStandIns) return std::nullopt;
  return TheAlphabet().stand_ins[character - kFirstStandIn];
}

std::optional<std::string> ByteLevelDecode(std::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  for (size_t i = 0; i < token.size();) {
    const std::optional<uint8_t> byte = ByteLevelByte(NextCodepoint(token, &i));
    if (!byte.has_value()) return std::nullopt;
    bytes.push_back(static_cast<char>(*byte));
  }
  return bytes;
}

}  // namespace batucada
