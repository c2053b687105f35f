// A scheduler with a cache of prefixes and the fake backend, whose every token depends on the whole text before it and,
// through its blocks, on every page: conversations that go on and branch, equal prompts at once, cancels, failures,
// evictions in all tiers, decode shares of several rows of which some are rejected, a process that is killed and
// another that finds what was on the disk. Every token is compared with the one that a computation from the start
// draws; and what the cache tells of its checkpoints with what it does.
#pragma once

#include <cstdint>
#include <string>

namespace batucada::sim {

// What is done wrong on purpose, to see that it is seen.
enum class Fault : uint8_t {
  kNone,
  kSavedEarly,    // a checkpoint is copied before the step has computed
  kWrongSlot,     // from a neighbour's slot
  kAliasedSlot,   // all into the same page
  kLostBlock,     // a restored text lacks a block
  kLostMove,      // what goes to the host is not copied, but for its slot
  kRestoreFirst,  // pages are given to the next before what was in them is kept
  kNoScope,       // texts of all scopes meet
  kRowTooMany,    // a row is kept whose draft was wrong
  kRowTooFew,     // a row is not kept whose draft was right
  kStateAhead,    // a rejected row's state stays
  // Of the disk:
  kDiskReadsLate,    // says that a checkpoint is there before its bytes are
  kDiskWritesLate,   // says that it has written what it goes on to read
  kDiskOtherRecord,  // reads another than it was asked for
  kDiskMovesOther,   // what is to stay is written again with another's bytes
  // Of what others are told:
  kUntold,   // some checkpoints are not
  kNotGone,  // none is told to be gone
};

struct PrefixOutcome {
  std::string violation;  // empty: every answer was the cold one
  uint64_t steps = 0, answers = 0, failures = 0;
  uint64_t kept = 0, rejected = 0;  // rows of drafts
  uint64_t hits = 0, host_hits = 0, disk_hits = 0, waits = 0, evictions = 0, host_evictions = 0, restarts = 0,
           moved = 0, discarded = 0;
};

PrefixOutcome SimulatePrefixes(uint64_t seed, uint64_t steps, Fault fault = Fault::kNone);

}  // namespace batucada::sim
