// A model that is no model: tokens are a hash of a sequence's whole history, and a step takes a set time. It proves the
// scheduler, the server and load tools without arithmetic: a token fed to the wrong sequence, twice or not at all
// changes every token after it, and so does a state that is copied too early, from the wrong place or in part, or that
// a rejected row has left behind; and so do another's sampling controls.
#pragma once

#include <chrono>
#include <deque>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "engine/run/backend.h"

namespace batucada {

struct FakeBackendConfig {
  BackendCapacity capacity;
  int32_t vocab_size = 0;
  std::vector<int32_t> never;  // ids that are not drawn: end tokens would make lengths vary
  absl::Duration step_time;    // from launch, or the end of the step before, to the result
  // By K/V group: every row reads so many tokens back from the sequence's blocks, and draws by what it finds there.
  // Empty: blocks hold nothing.
  std::vector<int64_t> windows;
};

class FakeBackend : public Backend {
 public:
  explicit FakeBackend(FakeBackendConfig config);

  const BackendCapacity& capacity() const override { return config_.capacity; }
  absl::Status Launch(const BatchPlan& plan) override;
  absl::StatusOr<bool> LaunchParts(const BatchPlan& plan, int32_t count) override;
  absl::Status AwaitParts() override;
  absl::Status Draw(const BatchPlan& plan) override;
  absl::StatusOr<StepResult> Wait() override;
  void HostBytes(int32_t group, PageId page, std::vector<std::span<char>>* out) override;
  // They hold nothing then.
  void Discard(const PoolPages& pages) override;
  // As if the device had failed: what it held is lost, and so are steps in flight. What lies in the host's memory
  // stays.
  void LoseDevice();

  // The token drawn after `history`, for tests. Depends on the seed only if temperature > 0.
  static int32_t Draw(const FakeBackendConfig& config, std::span<const int32_t> history,
                      const SamplingParams& sampling);

 private:
  struct Slot {
    uint64_t hash = 0;     // of all tokens so far
    int64_t position = 0;  // how many
    int32_t last = 0;      // sampled last
  };
  using Block = std::vector<uint64_t>;  // by token: the hash of its sequence up to it
  struct Launched {
    std::chrono::steady_clock::time_point ready;
    StepResult result;
  };

  // That nothing touches the sequences of the plan in parts before its last part.
  absl::Status CheckApart(const BatchPlan& plan) const;
  absl::Status Compute(const BatchPlan& plan);
  // The device is busy for so much longer.
  void Spend(absl::Duration time);
  Slot& SlotAt(PageRef page);
  void Copy(const std::vector<PageCopy>& copies);
  // Of a plan's decode shares, what was drawn: brings each slot back to the last row that is kept, and says which.
  std::vector<int32_t> KeepRows(const BatchPlan& plan, const StepResult& result);
  // Writes the newest row's hash to the sequence's blocks and reads the window's; returns both together.
  uint64_t Attend(const PlannedSequence& sequence, int64_t position, uint64_t hash);
  Block& BlockAt(size_t group, PageRef page);

  const FakeBackendConfig config_;
  std::vector<Slot> slots_;
  absl::flat_hash_map<PageId, Slot> kept_slots_;            // of checkpoints on the device
  std::vector<Slot> host_slots_, parked_slots_;             // and on the host
  std::vector<std::vector<Block>> blocks_[kTiers];          // by tier, then K/V group, then page
  absl::flat_hash_map<PageId, uint64_t> controls_[kTiers];  // by tier, then control row: of its request's
  std::deque<Launched> launched_;
  absl::flat_hash_set<PageId> slots_in_parts_;  // of the plan in parts, until its last part is launched
  int32_t parts_left_ = 0;                      // of it
  std::vector<uint64_t> row_hash_;              // of the plan that was launched last: what each row draws by
  std::vector<uint64_t> row_state_;             // and the hash of its sequence up to it
  std::chrono::steady_clock::time_point device_free_;
  std::chrono::steady_clock::time_point parts_end_, parts_before_end_;  // of the newest parts, and of those before
};

}  // namespace batucada
