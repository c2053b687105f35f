// A scheduler that parks, with and without a cache of prefixes, and the fake backend, whose every token depends on the
// whole text before it and, through its blocks and its control row, on every page: urgent arrivals while all places are
// taken, cancels and deadlines of who is parked, pages that are discarded where nobody has them, failures of the
// device, drains. Every token is compared with the one that an undisturbed computation draws.
#pragma once

#include <cstdint>
#include <string>

namespace batucada::sim {

// What is done wrong on purpose, to see that it is seen.
enum class ParkingFault : uint8_t {
  kNone,
  kCopiedLate,      // after the step in which others have the places
  kWrongSlot,       // from a neighbour's slot
  kLostBlocks,      // but for the blocks
  kLostControls,    // but for the control row
  kSamePlace,       // all to the same place
  kOtherReturned,   // another's state comes back
  kReturnedInPart,  // but for the blocks
  kReturnedLate,    // a step too late
  kDiscardedMore,   // with what nobody uses, a slot that somebody may
};

struct ParkingOutcome {
  std::string violation;  // empty: every answer was the undisturbed one, and nothing was left behind
  uint64_t steps = 0, answers = 0, failures = 0, drains = 0;
  uint64_t parked = 0, returned = 0, ended_parked = 0, discarded = 0;
  uint64_t digest = 0;
};

ParkingOutcome SimulateParking(uint64_t seed, uint64_t steps, ParkingFault fault = ParkingFault::kNone);

}  // namespace batucada::sim
