// The keys that clients must present, if the operator has set any.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace batucada {

// Immutable, thread-safe.
class AccessKeys {
 public:
  // No keys: everything is accepted.
  AccessKeys() = default;

  // `keys`, and those of `file` unless it is empty: one a line; empty lines and lines that begin with # are skipped.
  // INVALID_ARGUMENT for a key that is empty or holds anything but printable ASCII without spaces, or a file that
  // cannot be read or holds no key.
  static absl::StatusOr<AccessKeys> Load(const std::vector<std::string>& keys, const std::string& file);

  bool required() const { return !digests_.empty(); }

  // Whether `presented` is one of the keys, or none is required. Compares hashes, all of them and each to its end: how
  // long it takes says nothing about a key, not even its length.
  bool Accept(std::string_view presented) const;
  // Likewise, of "Bearer KEY".
  bool AcceptAuthorization(std::string_view header) const;

 private:
  using Digest = std::array<uint8_t, 32>;  // SHA-256
  std::vector<Digest> digests_;
};

}  // namespace batucada
