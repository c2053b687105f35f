// Watches everything that goes into a scheduler and comes out of it, and says what broke a rule:
//
//   budget        a plan has at most max_batch_tokens rows, decode rows first
//   positions     every position of a sequence is computed once, in order, with the prompt's own ids
//   pages         no slot and no block is in two sequences' hands, nor reused while a step in flight still touches it
//   progress      who decodes is in every plan; the first prompt in line gets rows if there are any left
//   order         nobody is admitted past someone who is more urgent; or as urgent, and whose client runs less, or
//   whose
//                 request does, or who came earlier
//   parts         where steps are cut, prompts that are not short are in plans in parts, and nobody else is: one such
//                 plan at a time, and between two of them a turn for who generates. Until it is launched its
//                 sequences are in no other plan and keep their places
//   share         a request, or a client, that runs something has no more than its part of what others leave
//   one end       each accepted request ends exactly once, and nothing follows its end
//   tokens        what the model drew is told, once, in order, and no more than max_tokens of it
//   deadlines     nobody lives past one
//   bounds        each queue holds at most the sequences and the tokens that it may
//   drafts        a share has no more rows than it may, drafts leave prompts their half, and the rows that are kept are
//                 those whose drafts were drawn; what the others drew is not told, and their positions come again
//   no starvation who is next in the queue is admitted as soon as there are pages for it; urgent slots are kept
//   rows          samples are of their sequence's own rows, in row order
//   controls      who changes logits, and nobody else, has a control row of its own; while there is none for it, others
//                 pass
//   parking       nobody is parked who is urgent, or was too often, or for too long; or more than there is room for, or
//                 without an urgent one being admitted then; what they hold is copied before it is given away. An
//                 urgent one waits only if nobody alone could make room for it. Who is parked comes back before whoever
//                 has its priority, and after its time before all others, as soon as there are places
//   no leak       what is used is what somebody alive, or ended and still in flight, holds: at every step
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "base/fnv.h"
#include "engine/core/request.h"
#include "engine/schedule/batch_plan.h"
#include "engine/schedule/scheduler.h"

namespace batucada::sim {

inline int64_t PromptLength(const Request& request) { return static_cast<int64_t>(request.prompt.size()); }

inline SequenceEvent EndOf(SequenceId id, Finish finish) {
  return {.id = id, .finish = std::make_unique<Finish>(std::move(finish))};
}

class Referee {
 public:
  explicit Referee(const SchedulerConfig& config);

  void OnAccepted(SequenceId id, const Request& request);
  void OnPlan(const BatchPlan& plan, absl::Time now);
  void OnNoPlan(bool steps_in_flight, absl::Time now);
  // Whether nothing is to be planned before the newest step has said which of its drafts are right.
  bool AwaitsDrafts() const;
  // The plan in parts is launched to its end.
  void OnPartsLaunched();
  // The result of the oldest plan in flight, before it is committed; of the one in parts, since it was launched.
  void OnResult(const StepResult& result);
  // The plans in flight will never be committed.
  void OnAbandoned();
  void OnEvent(const SequenceEvent& event);
  // Behind every call of the scheduler; `planned`: that was a Plan which had room for a step, so everybody who could be
  // admitted has been.
  void OnStats(const SchedulerStats& stats, bool planned = false);

  void Broke(const std::string& rule) {
    if (violation_.empty()) violation_ = rule;
  }
  // The first rule that was broken, and how; empty: none.
  const std::string& violation() const { return violation_; }
  // Accepted and not ended.
  size_t alive() const { return alive_; }
  // Some of those, for cancels: by index, below alive's size. 0: there are none.
  SequenceId Alive(uint64_t index) const;
  uint64_t ended(FinishReason reason) const { return ended_[static_cast<size_t>(reason)]; }
  // Of all plans and events so far.
  uint64_t digest() const { return digest_; }

 private:
  struct Life {
    Request request;
    uint64_t arrival = 0;
    bool admitted = false;
    int64_t next_position = 0;  // to be computed, if all rows in flight are kept
    int64_t drawn = 0;          // tokens that plans asked for, likewise
    int32_t undecided = 0;      // rows in flight that may be rejected
    int64_t told = 0;           // tokens that came as events
    int64_t scored = 0;         // prompt log-probabilities likewise
    PageId slot = -1;           // -1: no row so far
    PageId control_row = -1;
    bool in_parts = false;  // in the plan that is
    bool parked = false;
    bool arriving = false;   // its state, by the newest plan
    uint64_t placed_in = 0;  // the plan that admitted it, parked it or brought it back
    int32_t times_parked = 0;
    absl::Time parked_since;
    absl::Duration parked_before;
    PageId parked_slot = -1;
    GroupCounts parked_blocks = {};
    int64_t returned_at = -1;      // its position when it came back
    int64_t before_plan = 0;       // before the newest plan
    PageId arriving_slot = -1;     // where its state is copied to when it comes back
    std::vector<PageId> blocks;    // of all K/V groups, numbered through
    std::deque<int32_t> expected;  // tokens that results brought and events have not told
    size_t alive_index = 0;

    bool runs() const { return admitted && !parked; }
    // The next plan may have rows of it.
    bool computes() const { return runs() && !arriving && !in_parts; }
  };
  struct Has {
    int64_t slots = 0;
    int64_t urgent = 0;  // of them
    int64_t control_rows = 0;
    GroupCounts blocks = {};  // by K/V group
  };
  // What all, and each client and each request of more than one sequence, hold now.
  struct Holdings {
    Has all;
    absl::flat_hash_map<uint64_t, Has> clients, requests;
  };
  struct DecodeShare {
    SequenceId id = 0;
    std::vector<int32_t> drafts;
  };
  struct Touched {  // by a step in flight
    bool in_parts = false;
    std::vector<DecodeShare> decodes;
    std::vector<SequenceId> sequences;
    std::vector<PageId> slots, blocks, control_rows;
    std::vector<PlannedSample> samples;
    std::vector<SequenceId> sample_owners;

    bool Has(SequenceId id) const { return std::find(sequences.begin(), sequences.end(), id) != sequences.end(); }
  };

  void Mix(uint64_t value) { digest_ = FnvStep(digest_, value); }
  // Of a plan in parts, beside which so many generate.
  void CheckParts(const BatchPlan& plan, int32_t generate, Touched* touched);
  // Of one that is not, where steps are cut.
  void CheckBetween(const BatchPlan& plan, int32_t generate, const Touched& touched);
  bool PartsOut() const;
  void OnShare(const PlannedSequence& share, bool decode, Touched* touched);
  void OnDecodeShare(const PlannedSequence& share, Life& life, Touched* touched);
  void CheckPrompts(const BatchPlan& plan, const Touched& touched);
  // `prompts`: some wait for rows.
  void CheckDrafts(const BatchPlan& plan, bool prompts);
  void OnSample(const BatchPlan& plan, const PlannedSample& sample, Touched* touched);
  // Rows of each decode share that the draws keep, as many as the result says.
  std::vector<size_t> KeptRows(const Touched& step, const StepResult& result);
  void OnAdmitted(SequenceId id);
  // --- parking, referee_parking.cc ---
  void OnPlacements(const BatchPlan& plan);
  void OnParked(const BatchPlan& plan, SequenceId id);
  void OnReturned(const BatchPlan& plan, SequenceId id);
  bool Overdue(const Life& life) const;
  bool CanReturn(SequenceId id, const Life& life, const Holdings& held) const;
  bool MayBeParked(const Life& life) const;
  // Who is to come back before anybody of that priority is admitted; null: nobody.
  const Life* ReturnsBefore(Priority priority, const Holdings& held) const;
  // The pages that it needs are free.
  bool Fits(const Life& life, const Holdings& held) const;
  void CheckParked(const SchedulerStats& stats, bool planned);
  // `next` is who is next in the queue.
  void CheckUrgent(const Life& next, const Holdings& held);
  // As much as parking could free at most.
  Has MostParkable() const;
  void Place(Life& life, const PlannedSequence& share);
  Holdings Held() const;
  // Who is next by the rules, of those who wait; null: nobody may be. `more`: what urgent ones might have besides.
  const Life* Next(const Holdings& held, const Has& more) const;
  // What it counts with, and whether it may have a slot more.
  static std::tuple<Priority, int64_t, int64_t, uint64_t> TurnOf(const Life& life, const Holdings& held);
  bool WithinShares(const Life& life, const Holdings& held, const Has& more) const;
  bool HasControlRow(const Life& life, const Holdings& held, const Has& more) const;
  int64_t KeptSlots(const Life& life, const Holdings& held) const;
  int64_t KeptControlRows(const Life& life, const Holdings& held) const;
  void PlaceControls(Life& life, const PlannedSequence& share);
  bool WantsDecode(const Life& life) const;
  void End(SequenceId id, const Finish& finish);
  bool InFlight(SequenceId id) const;
  // Blocks that a request needs, by K/V group.
  GroupCounts BlocksFor(const Request& request) const;
  // The blocks of all groups, numbered through.
  std::vector<PageId> Flat(std::span<const std::vector<PageId>> blocks);
  void CheckQueue(const SchedulerStats& stats, bool planned);
  // Pages of those who have ended return with their last step in flight.
  void ForgetEnded();

  SchedulerConfig config_;
  absl::flat_hash_map<SequenceId, Life> lives_;  // accepted and not ended
  struct Ended {
    SequenceId id;
    Life life;
  };
  std::vector<Ended> ended_in_flight_;  // and hold their pages
  std::vector<SequenceId> alive_ids_;
  size_t alive_ = 0;
  std::vector<SequenceId> slot_owner_, block_owner_, control_owner_;  // 0: nobody
  std::deque<Touched> in_flight_;                                     // oldest first
  std::vector<uint64_t> ended_;
  uint64_t arrivals_ = 0;
  uint64_t last_step_ = 0;
  uint64_t planning_ = 0;     // the step that was planned last, or could not be
  absl::Time now_;            // of the newest plan
  bool returned_ = false;     // in the newest plan, somebody came back
  bool parts_ended_ = false;  // and since then, who generates had no turn
  uint64_t digest_ = kFnvBasis;
  std::string violation_;
};

}  // namespace batucada::sim
