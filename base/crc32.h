// CRC-32 as zlib computes it: of what a disk or a crash may have damaged, not of what somebody may have forged.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>

namespace batucada {

// `before` is the sum of what stands before these bytes.
inline uint32_t Crc32(const void* bytes, size_t size, uint32_t before = 0) {
  return static_cast<uint32_t>(crc32_z(before, static_cast<const Bytef*>(bytes), size));
}

}  // namespace batucada
