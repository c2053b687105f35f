// How often bytes come in a text, 16 of them at a time.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace batucada {

// The bytes of `text` that are one of `bytes`, which are all different.
template <typename... Bytes>
int64_t CountBytes(std::string_view text, Bytes... bytes) {
  // The compiler's vectors: whatever registers the machine has.
  using Block = uint8_t __attribute__((vector_size(16)));
  constexpr int kMost = 255;  // blocks whose ones a byte can count
  int64_t count = 0;
  while (text.size() >= sizeof(Block)) {
    Block ones{};
    for (int i = 0; i < kMost && text.size() >= sizeof(Block); ++i) {
      Block block;
      std::memcpy(&block, text.data(), sizeof block);
      // A comparison is -1 where it is true.
      ones -= ((reinterpret_cast<Block>(block == (Block{} + static_cast<uint8_t>(bytes)))) | ...);
      text.remove_prefix(sizeof block);
    }
    for (size_t i = 0; i < sizeof(Block); ++i) count += ones[i];
  }
  for (const char c : text) count += ((c == bytes) || ...) ? 1 : 0;
  return count;
}

}  // namespace batucada
