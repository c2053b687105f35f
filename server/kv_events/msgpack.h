// What MessagePack (github.com/msgpack/msgpack/blob/master/spec.md) needs to be written, as far as KV events go. Each
// appends to a string, in the shortest form there is.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace batucada::msgpack {

// So many bytes of a number, the highest first.
inline void AppendBytes(uint64_t value, int bytes, std::string* out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

inline void AppendTagged(unsigned tag, uint64_t value, int bytes, std::string* out) {
  out->push_back(static_cast<char>(tag));
  AppendBytes(value, bytes, out);
}

inline void AppendNil(std::string* out) { out->push_back('\xc0'); }

inline void AppendUint(uint64_t value, std::string* out) {
  if (value < 0x80) return out->push_back(static_cast<char>(value));
  if (value <= UINT8_MAX) return AppendTagged(0xcc, value, 1, out);
  if (value <= UINT16_MAX) return AppendTagged(0xcd, value, 2, out);
  if (value <= UINT32_MAX) return AppendTagged(0xce, value, 4, out);
  AppendTagged(0xcf, value, 8, out);
}

inline void AppendDouble(double value, std::string* out) { AppendTagged(0xcb, std::bit_cast<uint64_t>(value), 8, out); }

// REQUIRES: valid UTF-8 of less than 4 GiB.
inline void AppendString(std::string_view text, std::string* out) {
  if (text.size() < 32) {
    out->push_back(static_cast<char>(0xa0 | text.size()));
  } else if (text.size() <= UINT8_MAX) {
    AppendTagged(0xd9, text.size(), 1, out);
  } else if (text.size() <= UINT16_MAX) {
    AppendTagged(0xda, text.size(), 2, out);
  } else {
    AppendTagged(0xdb, text.size(), 4, out);
  }
  out->append(text);
}

// So many values follow.
inline void AppendArray(size_t count, std::string* out) {
  if (count < 16) return out->push_back(static_cast<char>(0x90 | count));
  count <= UINT16_MAX ? AppendTagged(0xdc, count, 2, out) : AppendTagged(0xdd, count, 4, out);
}

// So many pairs follow. REQUIRES: less than 16.
inline void AppendMap(size_t count, std::string* out) { out->push_back(static_cast<char>(0x80 | count)); }

}  // namespace batucada::msgpack
