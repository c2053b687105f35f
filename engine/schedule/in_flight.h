// What a plan promised, so that its results can be dealt out when they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/prefix/checkpoint.h"
#include "engine/schedule/scheduler.h"
#include "engine/schedule/sequence.h"

namespace batucada {

struct Scheduler::InFlight {
  struct Share {
    Sequence* sequence;
    int32_t prompt_tokens;   // computed by this step; 0 for a decode share
    int32_t num_scores;      // prompt log-probabilities
    int32_t draws;           // and then so many tokens: one, or one for every row of a decode share
    int64_t mask_steps = 0;  // that its grammar is thought to take, counted as out
  };
  uint64_t step = 0;
  bool noted = false;  // grammars know what it has drawn, or there are none
  size_t num_samples = 0;
  size_t num_decode = 0;                  // the first so many shares
  size_t num_drafted = 0;                 // of them, those that have drafts
  std::vector<Share> shares;              // in the order of the plan's samples
  std::vector<int32_t> drafts;            // that the plan points to
  std::vector<StateCheckpoint*> written;  // by its copies: published with its result
  std::vector<StateCheckpoint*> moving;   // to the host
  std::vector<StateCheckpoint*> pinned;   // that its copies read

  bool mostly_drafted() const { return num_drafted > 0 && 2 * num_drafted >= num_decode; }
};

}  // namespace batucada
