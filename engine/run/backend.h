// Runs planned steps: the border between deciding (schedule) and computing (model, kernels).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/pages/idle_pages.h"
#include "engine/pages/kv_need.h"
#include "engine/pages/page_copy.h"
#include "engine/schedule/batch_plan.h"

namespace batucada {

// What a backend has room for; the scheduler is configured with it.
struct BackendCapacity {
  int32_t slots = 0;            // sequences at once
  int32_t control_rows = 0;     // of them, how many may change logits (SamplingParams::controls_logits)
  std::vector<KvGroupSize> kv;  // K/V groups; none: the model has no attention layers
  int32_t block_tokens = 0;
  TierSize prefix, host;  // pages of checkpoints on the device and in the host's memory; no slots: none
  TierSize parked;        // likewise of sequences that are parked, with a control row for each slot
  // Bytes of a page in kParked: a slot with its control row, and a block by K/V group.
  int64_t parked_slot_bytes = 0;
  GroupCounts parked_block_bytes = {};
  int32_t max_steps_in_flight = 1;
  int32_t max_decode_rows = 1;  // of one decode share (PlannedSequence); 1: it computes no drafts
  int32_t max_drafts = 0;       // of one step; it has no more decode rows than so many, too, if it has any
  bool cuts_steps = false;      // it launches plans in parts
};

// Used by one thread. After an error it is unusable: what it held is lost.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const BackendCapacity& capacity() const = 0;
  // Starts a step: of a plan that is constrained all but its draws. Everything the plan points to is read before this
  // returns, or Draw does.
  [[nodiscard]] virtual absl::Status Launch(const BatchPlan& plan) = 0;
  // Of a plan in parts, Launch does only what comes before them. This launches so many parts more, with whatever was
  // launched between them before it. True: these were the last, and the step counts as launched now, all but its draws
  // if it is constrained. One such plan at a time; those between are short (ShortPromptRows).
  virtual absl::StatusOr<bool> LaunchParts(const BatchPlan& plan, int32_t count) = 0;
  // Waits for the parts launched before the newest ones.
  virtual absl::Status AwaitParts() = 0;
  // Draws for the constrained plan launched last, once every earlier step is committed: asks the samples' constraints
  // for their masks, while the device computes, and has it draw behind that.
  [[nodiscard]] virtual absl::Status Draw(const BatchPlan& plan) = 0;
  // Waits for the oldest step launched and not waited for.
  virtual absl::StatusOr<StepResult> Wait() = 0;
  // Where the bytes of a page of Tier::kHost lie (`group`: a K/V group, or kSlots), appended to `out`. Steps in flight
  // aside, they change only by copies that a plan asks for. From any thread.
  virtual void HostBytes(int32_t group, PageId page, std::vector<std::span<char>>* out) = 0;
  // Nobody needs what these pages hold, until they are written again: where their memory is resident as it is used, it
  // goes back. No step is in flight. What lies in Tier::kHost is not among them.
  virtual void Discard(const PoolPages& /*pages*/) {}
  // How often a step had to search how its products are computed best; all that is to be found is found before the
  // first step. From any thread.
  virtual int64_t plan_searches() const { return 0; }
};

}  // namespace batucada
