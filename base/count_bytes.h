// How often bytes come in a text, eight of them at a time.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace batucada {

namespace bytes_of_word {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHigh = 0x80 * kOnes;

// A one in the lowest bit of each byte of `word` that is `byte`.
constexpr uint64_t Equal(uint64_t word, char byte) {
  const uint64_t zero_there = word ^ (static_cast<uint8_t>(byte) * kOnes);
  return (~(((zero_there & ~kHigh) + ~kHigh) | zero_there) & kHigh) >> 7;
}

// Of the bytes of a word, none of which may make the sum more than 65,535.
constexpr uint64_t Sum(uint64_t word) {
  constexpr uint64_t kEven = 0x00FF00FF00FF00FF;
  return (((word & kEven) + (word >> 8 & kEven)) * 0x0001000100010001) >> 48;
}

}  // namespace bytes_of_word

// The bytes of `text` that are one of `bytes`, which are all different.
template <typename... Bytes>
int64_t CountBytes(std::string_view text, Bytes... bytes) {
  using namespace bytes_of_word;
  constexpr int kMost = 255;  // words whose ones a byte can count
  int64_t count = 0;
  while (text.size() >= sizeof(uint64_t)) {
    uint64_t ones = 0;
    for (int i = 0; i < kMost && text.size() >= sizeof(uint64_t); ++i) {
      uint64_t word = 0;
      std::memcpy(&word, text.data(), sizeof word);
      ones += (Equal(word, bytes) | ...);
      text.remove_prefix(sizeof word);
    }
    count += static_cast<int64_t>(Sum(ones));
  }
  for (const char c : text) count += ((c == bytes) || ...) ? 1 : 0;
  return count;
}

}  // namespace batucada
