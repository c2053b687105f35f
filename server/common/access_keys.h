// The keys that clients must present, if the operator has set any, and what each of them allows.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/common/client.h"

namespace batucada {

// Copies share what they hold, so that all of them see a Replace. Thread-safe.
class AccessKeys {
 public:
  // No keys: everything is accepted, with the rights that `unless_told` gives.
  AccessKeys() : AccessKeys(ClientRights{}) {}
  explicit AccessKeys(ClientRights unless_told);

  // `keys`, and those of `file` unless it is empty: one a line; empty lines and lines that begin with # are skipped. A
  // key is followed by what it allows beyond `unless_told`, parted by spaces: "KEY priority=-10 admin".
  // INVALID_ARGUMENT for a key that is empty or holds anything but printable ASCII, a right that there is not or that
  // is told twice, one key with different rights, or a file that cannot be read or holds no key. The message never
  // shows a key.
  static absl::StatusOr<AccessKeys> Load(const std::vector<std::string>& keys, const std::string& file,
                                         ClientRights unless_told = {});

  // From now on this, and every copy, holds the keys that `other` holds now.
  void Replace(const AccessKeys& other);

  bool required() const { return !Current()->keys.empty(); }
  size_t size() const { return Current()->keys.size(); }
  bool any_admin() const;  // whether one of them has that right

  // Who presents `presented`, connection aside; none if it is not one of the keys. Where no key is required, everybody
  // is somebody. Compares hashes, all of them and each to its end: how long it takes says nothing about a key, not even
  // its length.
  std::optional<Client> Find(std::string_view presented) const;
  // Likewise, of "Bearer KEY".
  std::optional<Client> FindAuthorization(std::string_view header) const;

  bool Accept(std::string_view presented) const { return Find(presented).has_value(); }
  bool AcceptAuthorization(std::string_view header) const { return FindAuthorization(header).has_value(); }

 private:
  struct Key {
    std::array<uint8_t, 32> digest;  // SHA-256
    ClientRights rights;
  };
  struct Set {
    ClientRights unless_told;
    std::vector<Key> keys;
  };
  struct Shared {
    std::mutex mutex;
    std::shared_ptr<const Set> set;  // guarded by mutex; never null
  };

  // The key that `line` tells of; `place` is where that stands.
  static absl::StatusOr<Key> Read(std::string_view line, const std::string& place, ClientRights unless_told);
  std::shared_ptr<const Set> Current() const;

  std::shared_ptr<Shared> shared_;
};

}  // namespace batucada
