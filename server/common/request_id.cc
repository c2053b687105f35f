#include "server/common/request_id.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <openssl/rand.h>

#include "base/status.h"

namespace batucada {

bool IsSoundRequestId(std::string_view id) {
  const auto sound = [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; };
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), sound);
}

std::string NewRequestId() {
  // Who knows an id may end its request, so that nobody must be able to tell one from those before it. Fetched for many
  // at once: asking takes as long as the rest of a request's head.
  constexpr size_t kIds = 64, kDigits = 16;
  thread_local std::array<std::array<uint64_t, 2>, kIds> random{};
  thread_local size_t used = kIds;
  if (used == kIds) {
    BATUCADA_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), sizeof random) == 1);
    used = 0;
  }
  const auto [high, low] = std::exchange(random[used++], {});
  std::string id;
  id.reserve(2 * kDigits);
  for (const uint64_t half : {high, low}) {
    for (size_t digit = kDigits; digit-- > 0;) id += "0123456789abcdef"[half >> 4 * digit & 15];
  }
  return id;
}

}  // namespace batucada
