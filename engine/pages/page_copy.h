// Copies of pages of sequences' state, as a step carries them: ids, no bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/pages/page_allocator.h"

namespace batucada {

// Where a page lies.
//   kRunning   the pools that sequences run in
//   kDevice    pages of checkpoints beside them, in the same memory, so that admission never waits for them
//   kHost      pages of checkpoints in the host's memory
//   kParked    pages of sequences that urgent ones have put aside, in the host's memory, too
// Blocks of a growing K/V group that are full are not written again: checkpoints share them and keep them in kRunning.
enum class Tier : uint8_t { kRunning, kDevice, kHost, kParked };
inline constexpr size_t kTiers = 4;

// Pages of a tier.
struct TierSize {
  int32_t slots = 0;            // 0: the tier is not there
  std::vector<int32_t> blocks;  // by K/V group; 0 in kDevice for groups that grow, whose blocks lie in kRunning
};

struct PageRef {
  Tier tier = Tier::kRunning;
  PageId page = 0;
  friend bool operator==(const PageRef&, const PageRef&) = default;
};

// Instead of a K/V group: the page is a slot; or a control row, of which kParked has one for each of its slots, under
// the same number, and other tiers of checkpoints none.
inline constexpr int32_t kSlots = -1, kControls = -2;

struct PageCopy {
  int32_t group = kSlots;
  PageRef from, to;
};

// In this order; copies of one list are independent of each other. They hold what they are told to when the step's
// result is there, and not before.
struct PlannedCopies {
  std::vector<PageCopy> ended;     // first: of sequences that ended or are parked, whose pages this very plan may give
                                   // to others
  std::vector<PageCopy> restored;  // then, before the step computes: into pages of sequences that it may compute
  std::vector<PageCopy> moved;     // beside the step's computing, which touches neither end
  std::vector<PageCopy> saved;     // after the step has computed

  bool empty() const { return ended.empty() && restored.empty() && moved.empty() && saved.empty(); }
};

}  // namespace batucada
