#include "server/common/request_id.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <fmt/format.h>
#include <openssl/rand.h>

#include "base/status.h"

namespace batucada {

bool IsSoundRequestId(std::string_view id) {
  const auto sound = [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; };
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), sound);
}

std::string NewRequestId() {
  // Who knows an id may end its request, so that nobody must be able to tell one from those before it.
  std::array<uint64_t, 2> random{};
  BATUCADA_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), sizeof random) == 1);
  return fmt::format("{:016x}{:016x}", random[0], random[1]);
}

}  // namespace batucada
