// Long lists of ids, looked over 16 bytes at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace batucada {

// The place of the first of `ids` that is not at least 0 and less than `size`, or ids.size().
inline size_t FirstOutside(std::span<const int32_t> ids, int32_t size) {
  // The compiler's vectors: whatever registers the machine has.
  using Block = uint32_t __attribute__((vector_size(16)));
  constexpr size_t kIds = sizeof(Block) / sizeof(int32_t), kBlocks = 16;
  size_t at = 0;
  for (; ids.size() - at >= kIds * kBlocks; at += kIds * kBlocks) {
    Block outside{};
    for (size_t i = 0; i < kBlocks; ++i) {
      Block block;
      std::memcpy(&block, ids.data() + at + i * kIds, sizeof block);
      outside |= block | (static_cast<uint32_t>(size) - 1 - block);  // the highest bit: one of the two is below 0
    }
    if ((outside[0] | outside[1] | outside[2] | outside[3]) >> 31 != 0) break;
  }
  while (at < ids.size() && ids[at] >= 0 && ids[at] < size) ++at;
  return at;
}

}  // namespace batucada
