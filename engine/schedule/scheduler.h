// Decides, step by step, who runs: decode rows first, then prompt chunks, in one pass without padding; or long prompts
// in passes of their own.
//
// A pass is a transaction:
//   Add     puts a sequence in the bounded queue, or refuses.
//   Plan    expires deadlines, admits from the queue while a slot and all the blocks that the next sequence will ever
//           need are free, going round by client and by request (shares.h), then fills the token budget: one row for
//           every sequence that decodes, and prompt chunks for the rest. Several prompts share the budget evenly, so
//           that a long one does not hold up short ones; what one does not need goes to the next. Here, too, requests
//           and clients take turns. Requests of a smaller priority number are admitted before all others, and their
//           prompts take the budget before the others'.
//   Commit  takes the results of the oldest plan, in order: tokens and ends become events, pages return.
// Up to `max_steps_in_flight` plans may be out at once: a plan never depends on tokens the host has not seen yet. A
// sequence that turns out to have ended gives back its pages when its last step in flight is committed.
//
// Where steps are cut, prompts of more than a few rows, and short ones for which a short plan has no room, have plans
// of their own that are launched in parts (`in_parts`), one such plan at a time and beside those in flight. Between its
// parts, and between two of them, run short plans, of who decodes and of short prompts, so that nobody of these waits
// for more than a part. Until its last part is launched its own sequences are in no other plan, and are not parked; and
// other long prompts wait, urgent ones, too.
//
// A request that changes logits needs a control row with its slot. While there is none for it, those behind that need
// none pass it: whoever gives back a row gives back a slot, so that it is not kept waiting by them.
//
// Urgent requests (of a negative priority) have a queue of their own size, so that a flood of others does not refuse
// them, and `urgent_slots` slots with the blocks for them, so that they need not wait for another's end.
//
// With room to park in, an urgent sequence that is next and finds no place takes those of running ones (parking.h), as
// few as it needs, one that is enough alone before several. Out of these that are not urgent, nor were parked too often
// or for too long, goes first the one of the lowest priority, of these the one that was parked least often, of these
// that of the client that runs the most, of these the one with the smallest state, of these the one that was admitted
// last. A parked one comes back, when there are places, before those of its priority that wait; one that was parked for
// as long as it may be comes back before everybody, and until then nobody is parked, and nobody admitted but to slots
// that are kept for urgent ones. What may be taken so counts as free where an urgent one's share is reckoned.
//
// Where there is a drafter, a sequence that decodes may have several rows (PlannedSequence). Drafts take no more than
// half of the rows that are left beside prompts. Who has a constraint, or controls that what was drawn changes, has one
// row. A sequence whose rows in flight may already be all that it can draw waits for them.
//
// Starvation-free within a priority: a decoding sequence is in every plan, or every second where steps are cut, prompts
// share what others leave, and who runs nothing is passed in the queue by nobody who came later. Deterministic: the
// same calls at the same times give the same plans. Not thread-safe, host-only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/core/request.h"
#include "engine/pages/block_pool.h"
#include "engine/pages/kv_need.h"
#include "engine/prefix/checkpoint_store.h"
#include "engine/prefix/prefix_cache.h"
#include "engine/schedule/batch_plan.h"
#include "engine/schedule/drafter.h"
#include "engine/schedule/mask_budgets.h"
#include "engine/schedule/parking.h"
#include "engine/schedule/parking_stats.h"
#include "engine/schedule/sequence.h"
#include "engine/schedule/shares.h"

namespace batucada {

struct SchedulerConfig {
  int32_t max_batch_tokens = 512;  // rows of one step
  bool cuts_steps = false;         // prompts that are not short have plans of their own, in parts
  double prompt_share = 0.5;       // (0, 1) of the time, what these have while others generate: see PromptWeight
  int32_t max_waiting = 1024;      // requests in the queue, and as many further choices: urgent ones, and
                                   // likewise others
  int64_t max_waiting_tokens = 4'000'000;  // prompt tokens in the queue, likewise
  int32_t max_steps_in_flight = 1;
  int32_t slots = 1;            // sequences that run at once
  int32_t urgent_slots = 0;     // of them, how many only urgent ones may use
  int32_t control_rows = 0;     // sequences at once that change logits; 0: none may
  std::vector<KvGroupSize> kv;  // K/V groups, at most kMaxKvGroups; none: no attention layers
  int32_t block_tokens = 64;    // tokens of one block
  double request_share = 1;     // (0, 1]: of what others leave, what one request may have: see shares.h
  double client_share = 1;      // likewise one client
  absl::Duration client_alone_after = absl::InfiniteDuration();  // see ClientShare
  std::vector<int32_t> end_tokens;                               // the model's own
  std::optional<PrefixCacheConfig> prefix_cache;                 // none: every prompt is computed whole
  ParkingBounds parking;
  Drafter* drafter = nullptr;   // outlives the scheduler; null: every decode share is one row
  int32_t max_decode_rows = 1;  // of one share, as many as the backend computes; at most block_tokens
  int32_t max_drafts = std::numeric_limits<int32_t>::max();  // likewise of one step, see BackendCapacity
  // Behind a step in which at least every other decode share has drafts nothing is planned before it is committed: a
  // draft that builds on a wrong one is wrong, and costs more than the device that waits for a plan.
  bool awaits_drafts = false;
};

// Something that happened to a sequence. Events of one sequence come in order; one has `finish`, and it is the last.
struct SequenceEvent {
  SequenceId id = 0;
  std::vector<TokenResult> prompt_logprobs;  // of consecutive prompt tokens
  std::optional<TokenResult> token;          // generated
  std::optional<absl::Duration> token_gap;   // since the token before; none for the first
  std::unique_ptr<Finish> finish;            // null: it goes on. Apart: a sequence has many events, and one end
};

struct SchedulerStats {
  int64_t running = 0;
  int64_t waiting = 0;
  int64_t waiting_tokens = 0;
  int64_t slots_used = 0;
  int64_t control_rows_used = 0;
  int64_t blocks_used = 0;  // of all K/V groups
  int64_t steps_in_flight = 0;
  ParkingStats parking;
  uint64_t prompt_tokens = 0;     // committed since start
  uint64_t generated_tokens = 0;  // likewise
  uint64_t drafts = 0;            // likewise
  uint64_t kept_drafts = 0;       // of them: tokens that needed no step of their own
};

class Scheduler {
 public:
  explicit Scheduler(const SchedulerConfig& config);
  ~Scheduler();

  // Queues it. RESOURCE_EXHAUSTED if the queue is full, INVALID_ARGUMENT if it could never be admitted.
  absl::Status Add(SequenceId id, Request request, absl::Time now);
  // Ends a sequence with `reason`, as an event; nothing if it has ended. Its pages are free at once, or when its last
  // step in flight is committed.
  void Cancel(SequenceId id, FinishReason reason, absl::Time now, const std::string& message = {});
  // Ends every sequence. With `abandon_steps`, also forgets the plans in flight: their results will never come.
  void CancelAll(FinishReason reason, absl::Time now, const std::string& message, bool abandon_steps);

  // The next step's work; none if there is nothing to do, or max_steps_in_flight plans are out.
  std::optional<BatchPlan> Plan(absl::Time now);
  // How many times as long as the short plans between them parts are to take.
  double PromptWeight() const;
  // The plan in parts is launched to its end: it is the newest of those to be committed, and whoever is in it may be in
  // the next plan.
  void PartsLaunched();
  // Tells grammars what the oldest plan not committed yet has drawn, which may take milliseconds: so a lock that guards
  // all this against other threads need not be held, as long as one thread plans, notes and commits. Otherwise Commit
  // does it.
  void NoteDraws(const StepResult& result, absl::Time now);
  // Results of the oldest plan not committed yet.
  void Commit(const StepResult& result, absl::Time now);
  // Everything that happened since the last call. What happens from now on is kept where `room` was.
  std::vector<SequenceEvent> TakeEvents(std::vector<SequenceEvent> room = {});

  bool idle() const { return sequences_.empty(); }
  // A text of this session has ended, and a plan has yet to keep its state.
  bool SessionEnds(uint64_t owner, std::string_view name) const;
  // There may be something to plan: sequences, or copies of checkpoints to the host and to the disk.
  bool busy() const { return !idle() || !saved(); }
  // Somebody waits for the disk: Plan again when it has something, and now and then.
  bool awaits_disk() const { return prefix_ != nullptr && prefix_->fetching(); }
  // Somebody sits out: Plan again soon, even if nothing has happened.
  bool awaits_masks() const { return sitting_out_; }
  // No checkpoint is being written or copied, has still to get to the host, or to be handed to the disk.
  bool saved() const;
  // The cache of prefixes, for who looks at states by their sessions; null: there is none.
  PrefixCache* prefix() { return prefix_.get(); }
  const PrefixCache* prefix() const { return prefix_.get(); }
  // Of all pools whose pages nothing but Plan deals: so they stay free until then.
  IdlePages& idle_pages() { return idle_pages_; }
  // What PrefixCache::Receive began is over.
  void Received(StateCheckpoint* checkpoint, bool filled);
  // Of the cache of prefixes; none if there is none.
  std::optional<PrefixCacheStats> prefix_stats() const;
  SchedulerStats stats() const;

 private:
  struct InFlight;  // what a plan promised
  struct Waiting {
    int32_t requests = 0;
    int32_t sequences = 0;
    int64_t tokens = 0;
  };
  struct Places {
    int64_t slots = 0, control_rows = 0;
    GroupCounts blocks = {};  // by K/V group
  };

  // Blocks of a K/V group that the sequence will hold: all it ever needs.
  int64_t BlocksFor(const Sequence& sequence, size_t group) const {
    return config_.kv[group].BlocksFor(sequence.total_positions(), config_.block_tokens);
  }
  // RESOURCE_EXHAUSTED if the queue has no room for it.
  absl::Status CheckQueue(const Sequence& sequence) const;
  void ExpireDeadlines(absl::Time now);
  // Those that were parked return, and those that wait are admitted, while there are places.
  void AdmitWaiting(absl::Time now, BatchPlan& plan);
  void EnterRunning(std::deque<Sequence*>::iterator admitted);
  // Whose turn it is; waiting_.end() if nobody may have more.
  std::deque<Sequence*>::iterator NextToAdmit();
  bool WithinShares(const Sequence& sequence) const;
  bool Admit(Sequence& sequence, absl::Time now, BatchPlan& plan);
  // The slot, the control row and the blocks that it needs, besides those of `hit`, which it shares. REQUIRES: there
  // are so many.
  void Deal(Sequence& sequence, const StateCheckpoint* hit);
  void TakeBack(const Sequence& sequence);
  // Whether there are the blocks that it needs besides those of `hit`; lets go of checkpoints for that.
  bool HaveBlocks(const Sequence& sequence, const StateCheckpoint* hit);
  // Slots, with all the blocks that one can need, that the sequence must leave free.
  int32_t KeptSlots(const Sequence& sequence) const {
    if (sequence.request.urgent()) return 0;
    // What comes back before all others need not leave more than urgent ones have not taken yet.
    const bool first = sequence.parking.parked() && Overdue(sequence, now_);
    return first ? std::max(config_.urgent_slots - urgent_running_, 0) : config_.urgent_slots;
  }
  int32_t KeptBlocks(const Sequence& sequence, size_t group) const {
    return KeptSlots(sequence) * config_.kv[group].most_per_sequence;
  }
  // Whether there is a control row for it, besides those kept for urgent ones; or it needs none.
  bool HasControlRow(const Sequence& sequence) const {
    return !sequence.controlled() ||
           control_rows_.available() + MoreFor(sequence).control_rows > KeptControlRows(sequence);
  }
  int32_t KeptControlRows(const Sequence& sequence) const {
    return std::min(KeptSlots(sequence), std::max(config_.control_rows - 1, 0));
  }
  void EnterQueue(Sequence& sequence);
  void LeaveQueue(const Sequence& sequence);
  Waiting& WaitingLike(const Sequence& sequence) { return waiting_totals_[sequence.request.urgent() ? 1 : 0]; }
  const Waiting& WaitingLike(const Sequence& sequence) const {
    return waiting_totals_[sequence.request.urgent() ? 1 : 0];
  }
  // Not to be planned now: its client's grammars have taken too much.
  bool SitsOut(const Sequence& sequence, absl::Time now);
  void PlanDecodes(absl::Time now, BatchPlan& plan);
  // Who is to have a row, in `decoding_`; what grammars are thought to take for them is out from here on.
  void ChooseDecoding(absl::Time now);
  void PlanDecode(Sequence& sequence, int32_t most_drafts, absl::Time now, BatchPlan& plan);
  // Rows that drafts may have beside `decoding` sequences and the prompts that wait for theirs.
  int32_t RowsForDrafts(int32_t decoding) const;
  int32_t MostDrafts(const Sequence& sequence) const;
  // Whose prompts may have rows, the most urgent first.
  std::vector<Sequence*> WaitingForRows(absl::Time now);
  // Whether the plan is one in parts; and leaves those of the prompts that are to be in it.
  bool PlansParts(absl::Time now, std::vector<Sequence*>* prompts);
  // All of the prompts but those, the first of them, that one short step has room for, and that are not long.
  std::vector<Sequence*> LongOnes(std::span<Sequence* const> prompts) const;
  void PlanPrompts(std::span<Sequence*> prompts, absl::Time now, BatchPlan& plan);
  // Of prompts of one priority: puts them, that are in the order of admission, into that of their turns.
  void GoRound(std::span<Sequence*> prompts);
  void SharePlan(std::span<Sequence*> prompts, absl::Time now, BatchPlan& plan);
  void PlanChunk(Sequence& sequence, int32_t num_tokens, absl::Time now, BatchPlan& plan);
  // The row of the step draws the token at `position`.
  void PlanDraw(Sequence& sequence, int32_t row, int64_t position, absl::Time now, BatchPlan& plan);
  void CommitScores(Sequence& sequence, std::span<const TokenResult> scores, absl::Time now);
  // What a share drew: `rows` rows of a decode share, of which as many are kept as there are tokens.
  void CommitDraws(Sequence& sequence, std::span<const TokenResult> kept, int32_t rows, absl::Time now);
  void CommitToken(Sequence& sequence, const TokenResult& token, absl::Time now);
  // Tells the end, once. The sequence stays until Retire finds nothing of it in flight; then it is gone.
  void End(Sequence& sequence, FinishReason reason, absl::Time now, const std::string& message = {});
  void Retire(Sequence& sequence);
  // Gives its pages back; it is gone.
  void Free(Sequence& sequence);
  bool IsEndToken(int32_t id) const;
  // Whether its request names this id as one that ends it; whether it ends when it draws it.
  bool StopsAt(const Sequence& sequence, int32_t id) const;
  bool EndsAt(const Sequence& sequence, int32_t id) const;

  // --- parking, scheduler_parking.cc; nothing of it happens where there is no room to park in ---
  // What parking could add to what is free, for whom it may.
  const Places& MoreFor(const Sequence& sequence) const { return sequence.request.urgent() ? parkable_ : no_places_; }
  bool MayBeParked(const Sequence& sequence, absl::Time now) const;
  Places CountParkable(absl::Time now) const;
  // Those who may be parked, in the order in which they are.
  std::vector<Sequence*> ParkingOrder(absl::Time now) const;
  // Parks whoever must be for `urgent` to be admitted; false, and nobody is, if that would not be enough.
  bool ParkFor(const Sequence& urgent, absl::Time now, BatchPlan& plan);
  // The first of them that together free what is missing, leaving out who frees nothing of it.
  bool ParkFirst(std::span<Sequence* const> order, Places missing, absl::Time now, BatchPlan& plan);
  void Park(Sequence& sequence, StoredPages pages, absl::Time now, BatchPlan& plan);
  // Of those that are parked, who is next to come back; null: nobody can.
  Sequence* NextToReturn(absl::Time now) const;
  bool Overdue(const Sequence& sequence, absl::Time now) const {
    return sequence.parking.Total(now) >= config_.parking.most_time;
  }
  // False: there are no places for it.
  bool Return(Sequence& sequence, absl::Time now, BatchPlan& plan);
  ParkingStats CountParked() const;

  // --- the cache of prefixes, scheduler_prefix.cc; nothing of it happens where there is none ---
  // The checkpoint that the sequence can go on from, pinned, or null.
  StateCheckpoint* FindPrefix(Sequence& sequence);
  // It was admitted, and `hit` was found: it goes on from there, or waits for a better one.
  void UsePrefix(Sequence& sequence, StateCheckpoint* hit, absl::Time now, BatchPlan& plan);
  // Changes the blocks that it shares with `hit` for its own; false: there are not enough, and it shares them still.
  bool OwnBlocks(Sequence& sequence, const StateCheckpoint& hit);
  StateCheckpoint* AskForCheckpoint(Sequence& sequence, int64_t start);
  void PromiseCheckpoints(Sequence& sequence, int64_t from);
  void Restore(Sequence& sequence, StateCheckpoint* checkpoint, BatchPlan& plan);
  // What has come from the disk; who has waited too long goes on without.
  void PollDisk(absl::Time now);
  // Copies of those that ended, and of those whose checkpoint has become ready.
  void PlanPrefixes(BatchPlan& plan);
  void SaveEnd(Sequence& sequence, BatchPlan& plan);
  // The sequence's session, if it has one, stands there now.
  void NameSession(const Sequence& sequence, StateCheckpoint* tip);
  // Those at which its newest chunk ends.
  void WriteCheckpoints(Sequence& sequence, BatchPlan& plan);
  // It will write no more; whoever waits for one of its goes on without.
  void DropPromises(Sequence& sequence);
  void ResolveWaiting(const StateCheckpoint* checkpoint, bool ready);
  void CommitPrefixes(const InFlight& step);
  void AbandonPrefixes();

  const SchedulerConfig config_;
  PageAllocator slots_;
  PageAllocator control_rows_;
  std::deque<BlockPool> blocks_;  // by K/V group
  Shares shares_;
  ClientShare client_share_;
  absl::flat_hash_map<SequenceId, std::unique_ptr<Sequence>> sequences_;  // all that are not gone
  std::deque<Sequence*> waiting_;                                         // by priority, then in arrival order
  std::vector<Sequence*> running_;                                        // hold a slot; in order of admission
  std::vector<Sequence*> parked_;                                         // in the order in which they were
  std::vector<InFlight> in_flight_;                                       // oldest first
  std::unique_ptr<InFlight> in_parts_;                                    // the plan that is, until PartsLaunched
  std::vector<SequenceEvent> events_;
  std::optional<CheckpointStore> parking_places_;  // none: nobody is parked
  std::vector<Sequence*> decoding_;                // who has a row in the newest plan
  const Places no_places_;
  Places parkable_;                      // while a plan is made: what urgent sequences may have by parking others
  std::unique_ptr<PrefixCache> prefix_;  // after the pools, whose pages it holds; null: there is none
  IdlePages idle_pages_;                 // likewise
  std::vector<Sequence*> ending_;        // have ended, and are to be saved by the next plan
  std::vector<SequenceId> arriving_;     // whose state the newest plan brings from the host
  std::vector<SequenceId> returning_;    // likewise, of those that were parked
  std::vector<Placement> placements_;    // since the last plan
  int32_t urgent_running_ = 0;
  uint64_t admissions_ = 0, times_parked_ = 0, times_returned_ = 0;
  absl::Duration paused_;
  std::array<Waiting, 2> waiting_totals_;  // of those that are not urgent, and of those that are
  MaskBudgets mask_budgets_;
  bool sitting_out_ = false;  // somebody, in the newest plan
  bool short_next_ = false;   // a plan in parts has ended, and whoever else is there has had no turn since
  bool saves_first_ = false;  // the newest plan has no long prompts, so that what it saves is there soon
  absl::Time now_;            // of the newest plan
  uint64_t next_step_ = 1;
  uint64_t prompt_tokens_ = 0;
  uint64_t generated_tokens_ = 0;
  uint64_t drafts_ = 0, kept_drafts_ = 0;
};

}  // namespace batucada
