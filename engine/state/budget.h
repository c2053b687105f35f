// Sizes the pools, once, at start: a sum with a line per consumer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/pages/page_copy.h"
#include "engine/state/state_shape.h"

namespace batucada {

inline constexpr int64_t kAutomatic = -1;

struct BudgetRequest {
  StateShape shape;
  int64_t device_bytes = 0;  // free on the device before anything is loaded
  double fraction = 0.9;     // of device_bytes that may be used
  int64_t weight_bytes = 0;
  int64_t workspace_bytes = 0;  // activations, logits, packed inputs
  int64_t pool_bytes = 0;       // for slots and blocks together; 0: as much as max_sequences needs and the device has
  int32_t max_sequences = 0;    // that run at once
  int32_t controlled_sequences = 0;  // of them, how many may change logits; 0: all, in a sixteenth of the pools' bytes
  int64_t max_total_tokens = 0;      // of one sequence
  int64_t prefix_bytes = 0;      // for checkpoints of prompts, besides the pools; kAutomatic: a part of what there is
  int64_t host_bytes = 0;        // likewise in the host's memory, which no other line counts
  int32_t parked_sequences = 0;  // that the host's memory, likewise, has room for beside those that run
};

struct Budget {
  int32_t slots = 0;            // without the scratch slot
  int32_t control_rows = 0;     // at most one for every slot
  std::vector<KvGroupSize> kv;  // by K/V group; blocks without the scratch block
  TierSize prefix, host;        // pages of checkpoints on the device and in the host's memory; no slots: none
  TierSize parked;              // likewise of sequences that are parked; with a control row for each slot
  std::string report;           // the sum, a line per consumer, in bytes and sequences
};

// RESOURCE_EXHAUSTED, with the numbers, if not even one sequence fits.
absl::StatusOr<Budget> ComputeBudget(const BudgetRequest& request);

}  // namespace batucada
