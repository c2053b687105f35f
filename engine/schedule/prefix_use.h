// What a sequence has to do with the cache of prefixes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "engine/prefix/checkpoint.h"

namespace batucada {

struct PrefixUse {
  PrefixNode* leaf = nullptr;  // where its text so far ends in the tree
  int64_t known = 0;           // tokens of its prompt that were seen before it came
  // Checkpoints that it writes when it gets there, by position; those before `next` are written. A chunk ends at each.
  std::vector<StateCheckpoint*> promised;
  size_t next = 0;
  StateCheckpoint* awaits = nullptr;  // another sequence's, not ready: it computes nothing until then
  absl::Time awaits_disk_until;       // and then goes on without it
  StateCheckpoint* resume = nullptr;  // ready and pinned: it goes on from there with the next plan
  bool arriving = false;              // its state is on its way from the host: from the next plan on it computes
  bool save = false;                  // it has ended, and what it held is to be kept
  bool ending = false;                // and that is for the next plan to do
  std::vector<int32_t> generated;     // ids that it drew

  bool waits() const { return awaits != nullptr || resume != nullptr || arriving; }
};

}  // namespace batucada
