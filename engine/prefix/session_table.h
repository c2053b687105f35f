// Sessions: names that clients gave to texts that go on. A session stands at the newest checkpoint of its text, its
// tip. It keeps nothing alive: when the tip goes, the session falls back to the checkpoint before it, or is no more.
// Bounded: who has too many, or has the most when all together are too many, loses those not used for the longest
// time. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace batucada {

struct StateCheckpoint;

class SessionTable {
 public:
  static constexpr size_t kMostOfOwner = 4096, kMost = 65'536;
  static constexpr size_t kMostNameBytes = 256;

  struct Session {
    uint64_t owner = 0;
    std::string name;
    StateCheckpoint* tip = nullptr;
    absl::Time used;
    uint64_t order = 0;  // of use
  };

  // The session stands there now; begun if it is new. REQUIRES: 0 < name.size() <= kMostNameBytes.
  void Point(uint64_t owner, std::string_view name, StateCheckpoint* tip, absl::Time now);
  bool Erase(uint64_t owner, std::string_view name);
  // Those that stand at `from` stand at `to`; null: they are no more.
  void Move(const StateCheckpoint* from, StateCheckpoint* to);

  // Null if there is none of that name.
  const Session* Find(uint64_t owner, std::string_view name) const;
  // An owner's, the one used last first.
  std::vector<const Session*> Of(uint64_t owner) const;
  bool StandsAt(const StateCheckpoint* checkpoint) const { return at_.contains(checkpoint); }
  size_t size() const { return size_; }

  // The names of the sessions that stand at a checkpoint (of the newest few), for the disk; and from there again: what
  // is no such list of names counts for nothing.
  std::string NamesAt(const StateCheckpoint* checkpoint) const;
  void Adopt(std::string_view names, StateCheckpoint* checkpoint, absl::Time now);

 private:
  struct Owner {
    std::map<std::string, std::unique_ptr<Session>, std::less<>> by_name;
    std::map<uint64_t, Session*> by_use;
  };
  void Detach(Session* session);
  void Remove(Owner& owner, Session* session);
  void MakeRoom(Owner& owner);

  absl::flat_hash_map<uint64_t, Owner> owners_;
  absl::flat_hash_map<const StateCheckpoint*, std::vector<Session*>> at_;  // by tip
  size_t size_ = 0;
  uint64_t clock_ = 0;
};

}  // namespace batucada
