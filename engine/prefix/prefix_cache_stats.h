// What the cache of prefixes has done and holds.
#pragma once

#include <cstdint>

namespace batucada {

// Counts since the start, and what is there now.
struct PrefixCacheStats {
  uint64_t lookups = 0, hits = 0, host_hits = 0;  // of prompts
  uint64_t disk_hits = 0, disk_hit_tokens = 0;    // states that were fetched from the disk for a prompt
  uint64_t queried_tokens = 0;                    // of the prompts looked up
  uint64_t hit_tokens = 0, host_hit_tokens = 0;   // that were not computed again; of them, from the host
  uint64_t missed_tokens = 0;                     // seen before, but there was no checkpoint, or none any more
  uint64_t waits = 0;                             // for another sequence's checkpoint
  uint64_t written = 0;                           // checkpoints published, and tokens between them and the one before
  uint64_t written_tokens = 0;
  uint64_t device_evictions = 0, host_evictions = 0;
  int64_t device_stored = 0, device_capacity = 0;  // checkpoints
  int64_t host_stored = 0, host_capacity = 0;
  int64_t disk_stored = 0, disk_bytes = 0;
  uint64_t disk_written = 0, disk_dropped = 0, disk_errors = 0;
  int64_t tree_tokens = 0;
  int64_t sessions = 0;  // names that clients gave
};

}  // namespace batucada
