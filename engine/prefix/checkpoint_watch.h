// Which checkpoints texts can go on from, in whatever tier, for who tells others (engine/core/prefix_changes.h).
//
// What is to be told is not copied when it happens: it is kept as pointers and numbers, and so holds no more than there
// are checkpoints, however late somebody comes to take it. What came and went meanwhile is never told. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "engine/core/prefix_changes.h"
#include "engine/prefix/checkpoint.h"

namespace batucada {

class CheckpointWatch {
 public:
  // Ready, and lies somewhere. Nothing if that is known.
  void Keep(StateCheckpoint* checkpoint);
  // It is about to be no more. Nothing if it was not kept.
  void Forget(const StateCheckpoint* checkpoint);
  // What is to be told, at most about so many ids of texts; a text is told whole. Takes the time of copying them.
  PrefixChanges Take(int64_t most_ids, int32_t block_tokens);

 private:
  // The nearest above it that was told.
  const StateCheckpoint* ToldAbove(const StateCheckpoint& checkpoint) const;

  absl::flat_hash_map<const StateCheckpoint*, uint64_t> numbers_;  // of all that are kept
  absl::btree_map<uint64_t, StateCheckpoint*> untold_;             // of these, what was not told; the oldest first
  std::vector<uint64_t> gone_;                                     // told, and not kept any more
  uint64_t last_ = 0;
};

}  // namespace batucada
