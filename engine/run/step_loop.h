// The beat: one thread that plans, launches and commits, and tells everyone what happened.
//
//   plan   Scheduler::Plan decides the next step, as late as the device allows
//   run    Backend::Launch starts it while the one before may still run; a long one of prompts alone in parts, with
//          short steps between them for who comes meanwhile
//   commit Backend::Wait and Scheduler::Commit, once as many steps are out as the backend takes
//
// The scheduler is guarded by one mutex that is held for microseconds, never while the backend works.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/sync.h"
#include "engine/core/observer.h"
#include "engine/core/prefix_changes.h"
#include "engine/core/request.h"
#include "engine/core/session.h"
#include "engine/run/backend.h"
#include "engine/run/loop_health.h"
#include "engine/run/step_pace.h"
#include "engine/schedule/scheduler.h"

namespace batucada {

// Told everything about one sequence, in order, from the step loop's thread. The last event has `finish`.
class SequenceListener {
 public:
  virtual ~SequenceListener() = default;
  // False: there is no room for the event; the sequence ends with kOverrun. An event with `finish` always has room.
  // Must be quick and must not call the step loop.
  virtual bool OnEvent(SequenceEvent&& event) = 0;
};

// Thread-safe.
class StepLoop {
 public:
  // `observer` may be null; it and `clock` must outlive the loop.
  // `disk`: what config.prefix_cache names; null: nothing.
  StepLoop(const SchedulerConfig& config, std::unique_ptr<Backend> backend, Clock* clock, EngineObserver* observer,
           std::unique_ptr<CheckpointDisk> disk = nullptr);
  // Ends what still runs with kShutdown.
  ~StepLoop();

  struct Arrival {
    Request request;
    std::shared_ptr<SequenceListener> listener;
    SequenceId id = 0;  // never 0 once it is queued
  };
  // Queues requests, all before the next step is planned, so that those of one prompt can share its prefill. Errors:
  // Scheduler::Add's, and UNAVAILABLE when draining or failed; what has an id then is queued all the same.
  absl::Status Add(std::span<Arrival> arrivals);
  absl::StatusOr<SequenceId> Add(Request request, std::shared_ptr<SequenceListener> listener);
  // Ends the sequence with `reason` and wakes the loop; the listener is told. Nothing if it has ended.
  void Cancel(SequenceId id, FinishReason reason);
  // Refuses new requests, waits until all have ended and what is kept of them is on its way to the disk, or `deadline`
  // passes, then ends the rest with kShutdown.
  void Drain(absl::Time deadline);

  // --- sessions, step_loop_sessions.cc: what SessionStates says of them ---
  // Whoever names a session may have been told that its text has ended before a plan has kept its state: they wait for
  // that plan, a second at most.
  std::vector<SessionInfo> Sessions(uint64_t owner) const;
  absl::StatusOr<SessionInfo> FindSession(uint64_t owner, std::string_view name);
  absl::Status EraseSession(uint64_t owner, std::string_view name);
  absl::Status CopySession(uint64_t owner, std::string_view from, std::string_view to);
  // SavedState::salt is the whole scope.
  absl::StatusOr<SavedState> ExportSession(uint64_t owner, std::string_view name, absl::Time deadline,
                                           const std::function<absl::Status(int64_t)>& charge);
  absl::Status ImportSession(uint64_t owner, std::string_view name, const std::string& scope,
                             std::span<const int32_t> ids, std::string_view bytes);

  SchedulerStats stats() const;
  std::optional<PrefixCacheStats> prefix_stats() const;
  // What the cache of prefixes has to tell, see CheckpointWatch::Take. The loop waits while ids are copied.
  PrefixChanges TakePrefixChanges(int64_t most_ids, int32_t block_tokens);
  uint64_t steps() const { return steps_.load(std::memory_order_relaxed); }
  // OK unless a step has failed. This and the next wait for no plan and no commit.
  absl::Status failure() const { return health_.failure(); }
  // How long work has been there without a finished step.
  absl::Duration SinceProgress() const { return health_.SinceProgress(clock_->Now()); }

 private:
  struct Launched {
    absl::Time launched;
    StepPace::Shape shape;
    bool in_parts = false;
    bool between = false;  // the parts of another, and beside them

    // How long it takes says nothing of such a step.
    bool shares_device() const { return in_parts || between; }
  };
  // The plan in parts, until its last part is launched.
  struct InParts {
    BatchPlan plan;
    absl::Time launched;
    int32_t newest = 0;  // how many parts were launched last
    // When the device began with them; none: the host was not there to see it.
    std::optional<absl::Time> since;
    std::optional<StepPace::Shape> between;  // the step since then
  };
  // Events that are to be told, and who is to be told each. Their room is used again.
  struct Deliveries {
    std::vector<SequenceEvent> events;
    std::vector<std::shared_ptr<SequenceListener>> listeners;
  };

  std::vector<std::span<char>> HostBytesOf(const StoredPages& pages) const;
  // Until a text of that session that has ended is kept.
  void AwaitSessionEnd(std::unique_lock<Mutex>& lock, uint64_t owner, std::string_view name);
  void Run();
  void Work();
  // At rest: until there is something to do. Gives memory that nobody uses back meanwhile, and a little of it where
  // there is something at once.
  void AwaitWork(std::unique_lock<Mutex>& lock);
  // Lets the step that runs get on, so that who comes meanwhile is in the next one.
  void AwaitLastMoment(std::unique_lock<Mutex>& lock);
  // Of what was planned then.
  void Launch(BatchPlan plan, absl::Time planned);
  // The rest of a launch whose draws are constrained.
  void Draw(const BatchPlan& plan);
  // Launches the next parts of the plan in parts, and waits until they are all that is left for the device.
  void LaunchParts();
  // That such a part of a plan of so many rows took so long.
  void NoteParts(int32_t count, int32_t rows, absl::Duration took);
  // How many: as long as the steps between are, or PromptWeight times as long.
  int32_t NextParts() const;
  void CommitOldest();
  void Commit(const absl::StatusOr<StepResult>& result);
  void Fail(const absl::Status& status);
  // UNAVAILABLE if a step has failed.
  absl::Status Works() const;
  // Moves the scheduler's events to `deliveries_`, each with its listener. REQUIRES: mutex_ held.
  void TakeDeliveries();
  void Deliver();

  Clock* const clock_;
  EngineObserver* const observer_;
  const std::unique_ptr<Backend> backend_;      // used by the loop's thread alone
  const std::unique_ptr<CheckpointDisk> disk_;  // reads and writes what lies in the backend's memory
  const size_t max_in_flight_;
  std::deque<Launched> in_flight_;                 // likewise
  std::optional<InParts> in_parts_;                // likewise
  absl::Time last_result_ = absl::InfinitePast();  // likewise
  StepPace pace_;                                  // likewise
  absl::Duration part_row_;                        // likewise: what a part takes, by rows; zero: none was seen
  double prompt_weight_ = 1;                       // likewise: Scheduler::PromptWeight, of the newest plan
  Deliveries deliveries_;                          // likewise: taken and not told yet

  LoopHealth health_;

  mutable Mutex mutex_;  // guards what follows
  Condition work_;       // the loop waits here when there is nothing to do
  Condition idle_;       // Drain waits here
  Scheduler scheduler_;
  absl::flat_hash_map<SequenceId, std::shared_ptr<SequenceListener>> listeners_;
  SequenceId next_id_ = 1;
  bool draining_ = false;
  bool stopping_ = false;
  bool changed_ = false;  // something to look at since the last plan

  std::atomic<uint64_t> steps_ = 0;
  Thread thread_;  // last: everything above is there when it starts
};

}  // namespace batucada
