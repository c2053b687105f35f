// What becomes of a request's members that no table knows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace batucada {

struct UnknownMembers {
  enum class Policy : uint8_t { kRefuse, kIgnore };
  // A client may send thousands; so many are named to it.
  static constexpr size_t kMaxNamed = 16;

  Policy policy = Policy::kRefuse;
  std::vector<std::string> named;  // the first of those that were ignored: "stream_options.chunk_size"
  uint64_t ignored = 0;            // all of them

  void Ignore(std::string_view name) {
    if (++ignored <= kMaxNamed) named.emplace_back(name);
  }
  // For a header: names of letters, digits and marks alone, as any that was meant has; empty if there are none.
  std::string List() const;
};

}  // namespace batucada
