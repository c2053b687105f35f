#include "tests/sim/referee.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace batucada::sim {
namespace {

constexpr size_t kFinishReasons = 7;

bool Contains(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool Overlap(const std::vector<PageId>& a, const std::vector<PageId>& b) {
  return std::any_of(a.begin(), a.end(), [&](PageId page) { return std::find(b.begin(), b.end(), page) != b.end(); });
}

}  // namespace

Referee::Referee(const SchedulerConfig& config)
    : config_(config), slot_owner_(static_cast<size_t>(config.slots)),
      control_owner_(static_cast<size_t>(config.control_rows)), ended_(kFinishReasons) {
  for (const KvGroupSize& group : config.kv) {
    block_owner_.resize(block_owner_.size() + static_cast<size_t>(group.blocks));
  }
}

void Referee::OnAccepted(SequenceId id, const Request& request) {
  Life life = {
      .request = request, .arrival = ++arrivals_, .blocks = {}, .expected = {}, .alive_index = alive_ids_.size()};
  alive_ids_.push_back(id);
  lives_.emplace(id, std::move(life));
  ++alive_;
}

SequenceId Referee::Alive(uint64_t index) const { return alive_ids_[index]; }

bool Referee::WantsDecode(const Life& life) const {
  return life.computes() && life.next_position >= PromptLength(life.request) && life.drawn < life.request.max_tokens;
}

void Referee::OnPlan(const BatchPlan& plan, absl::Time now) {
  if (plan.step != ++last_step_) Broke("steps are not numbered in order");
  Mix(plan.step);
  planning_ = plan.step;
  now_ = now;
  OnPlacements(plan);
  const int32_t most_out = config_.max_steps_in_flight + (PartsOut() ? 1 : 0);
  if (static_cast<int32_t>(in_flight_.size()) >= most_out) Broke("budget: too many steps in flight");
  if (AwaitsDrafts()) Broke("drafts: a plan behind a step that has not said which of its own are right");
  int32_t want = 0;
  bool prompts = false;
  for (const auto& [id, life] : lives_) {
    want += WantsDecode(life) ? 1 : 0;
    prompts = prompts || (life.computes() && life.next_position < PromptLength(life.request));
    if (life.request.deadline <= now) Broke(absl::StrCat("deadlines: ", id, " lives past its own"));
  }
  if (want != plan.num_decode && !plan.in_parts)
    Broke(absl::StrCat("progress: ", want, " decode, ", plan.num_decode, " are in the plan"));

  Touched touched;
  int32_t rows = 0;
  for (size_t i = 0; i < plan.sequences.size(); ++i) {
    OnShare(plan.sequences[i], static_cast<int32_t>(i) < plan.num_decode, &touched);
    rows += plan.sequences[i].num_tokens;
  }
  if (rows != plan.num_tokens || rows > config_.max_batch_tokens ||
      (rows == 0 && plan.copies.empty() && plan.placements.empty())) {
    Broke(absl::StrCat("budget: ", rows, " rows, the plan says ", plan.num_tokens));
  }
  if (!config_.cuts_steps) {
    CheckPrompts(plan, touched);
  } else if (plan.in_parts) {
    CheckParts(plan, want, &touched);
  } else {
    CheckBetween(plan, want, touched);
  }
  CheckDrafts(plan, prompts);
  for (const PlannedSample& sample : plan.samples) OnSample(plan, sample, &touched);
  for (int32_t row = 0; row < plan.decode_rows(); ++row) {
    const auto at = static_cast<size_t>(row);
    if (at >= touched.samples.size() || touched.samples[at].row != row || touched.samples[at].target >= 0) {
      Broke(absl::StrCat("rows: row ", row, " decodes and does not draw"));
    }
  }
  in_flight_.push_back(std::move(touched));
}

bool Referee::PartsOut() const {
  return std::any_of(in_flight_.begin(), in_flight_.end(), [](const Touched& step) { return step.in_parts; });
}

void Referee::CheckParts(const BatchPlan& plan, int32_t generate, Touched* touched) {
  if (plan.num_decode > 0 || PartsOut()) Broke("parts: decode rows in them, or two plans at once");
  if (generate > 0 && parts_ended_) Broke("progress: who generates waits for two plans in parts");
  const int64_t most = ShortPromptRows(config_.max_batch_tokens);
  for (const auto& [id, life] : lives_) {
    const int64_t left = PromptLength(life.request) - life.next_position;
    if (parts_ended_ && life.computes() && life.slot >= 0 && !touched->Has(id) && left > 0 && left <= most)
      Broke(absl::StrCat("progress: the short prompt of ", id, " waits for two plans in parts"));
    const bool waits = life.computes() && PromptLength(life.request) - life.next_position > most && life.slot >= 0;
    if (waits && !touched->Has(id) && plan.num_tokens < config_.max_batch_tokens)
      Broke(absl::StrCat("progress: rows are left and the prompt of ", id, " gets none"));
  }
  touched->in_parts = true;
  for (const SequenceId id : touched->sequences) {
    if (const auto life = lives_.find(id); life != lives_.end()) life->second.in_parts = true;
  }
}

void Referee::OnPartsLaunched() {
  const auto step =
      std::find_if(in_flight_.begin(), in_flight_.end(), [](const Touched& each) { return each.in_parts; });
  for (const SequenceId id : step->sequences) {
    if (const auto life = lives_.find(id); life != lives_.end()) life->second.in_parts = false;
  }
  step->in_parts = false;
  parts_ended_ = true;
  std::rotate(step, step + 1, in_flight_.end());
}

void Referee::CheckBetween(const BatchPlan& plan, int32_t generate, const Touched& touched) {
  const bool others = generate > 0 || plan.num_tokens > 0;
  const bool has_turn = others && !PartsOut() && std::exchange(parts_ended_, false);
  const int64_t most = ShortPromptRows(config_.max_batch_tokens);
  int64_t rows = 0;
  bool only_short = true;
  for (const PlannedSequence& s : std::span(plan.sequences).subspan(static_cast<size_t>(plan.num_decode))) {
    rows += s.num_tokens;
    const auto life = lives_.find(s.id);
    only_short = only_short && life != lives_.end() && PromptLength(life->second.request) - s.start <= most;
  }
  only_short = only_short && rows <= most;
  const bool small = generate == 0 && !PartsOut() && rows <= 4 * most;
  if (!only_short && !small) Broke("parts: long prompts in a step that is not in parts");
  for (const auto& [id, life] : lives_) {
    const int64_t left = PromptLength(life.request) - life.next_position;
    if (!life.computes() || left <= 0 || life.slot < 0 || touched.Has(id)) continue;
    if (left <= most && rows + left <= most)
      Broke(absl::StrCat("progress: the short prompt of ", id, " waits for long ones"));
    if (!PartsOut() && !has_turn && left > most)
      Broke(absl::StrCat("progress: the long prompt of ", id, " has no plan in parts"));
  }
}

void Referee::CheckPrompts(const BatchPlan& plan, const Touched& touched) {
  if (plan.num_tokens >= config_.max_batch_tokens) return;
  for (const auto& [id, life] : lives_) {
    if (!life.computes() || life.next_position >= PromptLength(life.request) || life.slot < 0) continue;
    if (!touched.Has(id)) Broke(absl::StrCat("progress: rows are left and the prompt of ", id, " gets none"));
  }
}

void Referee::OnAdmitted(SequenceId id) {
  Mix(id);
  const auto found = lives_.find(id);
  if (found == lives_.end() || found->second.admitted) {
    return Broke(absl::StrCat("order: ", id, " is admitted and does not wait"));
  }
  Life& life = found->second;
  const Holdings held = Held();
  if (!HasControlRow(life, held, MostParkable()))
    Broke(absl::StrCat("controls: ", id, " is admitted and there is no row for it"));
  if (!WithinShares(life, held, MostParkable()))
    Broke(absl::StrCat("share: ", id, " is more than its request or its client may have"));
  for (const auto& [other_id, other] : lives_) {
    const bool could = !other.admitted && HasControlRow(other, held, {}) && WithinShares(other, held, {});
    if (could && TurnOf(other, held) < TurnOf(life, held)) {
      Broke(absl::StrCat("order: ", id, " is admitted before ", other_id));
    }
  }
  const bool kept = life.request.urgent() && held.all.urgent < config_.urgent_slots;
  if (!kept && ReturnsBefore(life.request.priority, held) != nullptr) {
    Broke(absl::StrCat("parking: ", id, " is admitted before somebody who was parked"));
  }
  life.admitted = true;
  life.placed_in = planning_;
}

Referee::Holdings Referee::Held() const {
  Holdings held;
  const auto add = [&](const Life& life) {
    if (!life.runs()) return;
    const GroupCounts blocks = BlocksFor(life.request);
    for (Has* has : {&held.all, &held.clients[life.request.client], &held.requests[life.request.group]}) {
      ++has->slots;
      has->urgent += life.request.urgent() ? 1 : 0;
      has->control_rows += life.request.sampling.controls_logits() ? 1 : 0;
      for (size_t group = 0; group < blocks.size(); ++group) has->blocks[group] += blocks[group];
    }
  };
  for (const auto& [id, life] : lives_) add(life);
  for (const Ended& ended : ended_in_flight_) add(ended.life);
  held.requests.erase(0);
  return held;
}

std::tuple<Priority, int64_t, int64_t, uint64_t> Referee::TurnOf(const Life& life, const Holdings& held) {
  const auto slots = [](const absl::flat_hash_map<uint64_t, Has>& all, uint64_t key) {
    const auto found = all.find(key);
    return found == all.end() ? 0 : found->second.slots;
  };
  return {life.request.priority, slots(held.clients, life.request.client), slots(held.requests, life.request.group),
          life.arrival};
}

bool Referee::WithinShares(const Life& life, const Holdings& held, const Has& parkable) const {
  const int64_t kept = KeptSlots(life, held);
  const Has added = life.request.urgent() ? parkable : Has{};
  const double free_slots = static_cast<double>(config_.slots - held.all.slots - kept + added.slots);
  const auto within = [&](double share, const absl::flat_hash_map<uint64_t, Has>& all, uint64_t key) {
    const auto has = all.find(key);
    if (has == all.end() || share >= 1) return true;
    const auto fits = [share](int64_t own, int64_t more, double free) {
      return static_cast<double>(own + more) <= share * (static_cast<double>(own) + free);
    };
    if (!fits(has->second.slots, 1, free_slots)) return false;
    const auto free_rows = static_cast<double>(config_.control_rows - held.all.control_rows -
                                               KeptControlRows(life, held) + added.control_rows);
    const int64_t own_rows = has->second.control_rows;
    if (life.request.sampling.controls_logits() && own_rows > 0 && !fits(own_rows, 1, free_rows)) return false;
    for (size_t group = 0; group < config_.kv.size(); ++group) {
      const KvGroupSize& size = config_.kv[group];
      const auto free = static_cast<double>(size.blocks - held.all.blocks[group] - kept * size.most_per_sequence +
                                            added.blocks[group]);
      const int64_t own = has->second.blocks[group];
      if (own > 0 && !fits(own, BlocksFor(life.request)[group], free)) return false;
    }
    return true;
  };
  return within(config_.request_share, held.requests, life.request.group) &&
         within(config_.client_share, held.clients, life.request.client);
}

int64_t Referee::KeptSlots(const Life& life, const Holdings& held) const {
  if (life.request.urgent()) return 0;
  const bool first = life.parked && Overdue(life);
  return first ? std::max<int64_t>(config_.urgent_slots - held.all.urgent, 0) : config_.urgent_slots;
}

int64_t Referee::KeptControlRows(const Life& life, const Holdings& held) const {
  return std::min<int64_t>(KeptSlots(life, held), std::max(config_.control_rows - 1, 0));
}

bool Referee::HasControlRow(const Life& life, const Holdings& held, const Has& parkable) const {
  if (!life.request.sampling.controls_logits()) return true;
  const int64_t more = life.request.urgent() ? parkable.control_rows : 0;
  return config_.control_rows - held.all.control_rows + more > KeptControlRows(life, held);
}

const Referee::Life* Referee::Next(const Holdings& held, const Has& more) const {
  const Life* next = nullptr;
  for (const auto& [id, life] : lives_) {
    if (life.admitted || !HasControlRow(life, held, more) || !WithinShares(life, held, more)) continue;
    if (next == nullptr || TurnOf(life, held) < TurnOf(*next, held)) next = &life;
  }
  return next;
}

void Referee::Place(Life& life, const PlannedSequence& share) {
  life.slot = share.slot;
  if (const PageId told = std::exchange(life.arriving_slot, -1); told >= 0 && told != life.slot) {
    Broke(absl::StrCat("parking: ", share.id, " goes on elsewhere than where its state came to"));
  }
  life.blocks = Flat(share.blocks);
  PlaceControls(life, share);
  const GroupCounts need = BlocksFor(life.request);
  for (size_t group = 0; group < config_.kv.size(); ++group) {
    if (group >= share.blocks.size() || static_cast<int64_t>(share.blocks[group].size()) != need[group]) {
      Broke(absl::StrCat("pages: ", share.id, " has not what it needs"));
    }
  }
  if (std::exchange(slot_owner_.at(static_cast<size_t>(life.slot)), share.id) != 0) {
    Broke(absl::StrCat("pages: the slot of ", share.id, " is another's"));
  }
  for (const PageId block : life.blocks) {
    if (std::exchange(block_owner_.at(static_cast<size_t>(block)), share.id) != 0) {
      Broke(absl::StrCat("pages: a block of ", share.id, " is another's"));
    }
  }
  for (const Touched& step : in_flight_) {
    const bool slot = std::find(step.slots.begin(), step.slots.end(), life.slot) != step.slots.end();
    if (slot || Overlap(step.blocks, life.blocks)) {
      Broke(absl::StrCat("pages: ", share.id, " has pages that a step in flight still writes"));
    }
  }
}

void Referee::PlaceControls(Life& life, const PlannedSequence& share) {
  life.control_row = share.control_row;
  const bool needs = life.request.sampling.controls_logits();
  const bool writes = share.controlled != nullptr;
  if (needs != (life.control_row >= 0) || writes != (needs && share.start == 0)) {
    return Broke(absl::StrCat("controls: ", share.id, needs ? " has none" : " has some and needs none"));
  }
  if (!needs) return;
  if (std::exchange(control_owner_.at(static_cast<size_t>(life.control_row)), share.id) != 0) {
    Broke(absl::StrCat("controls: those of ", share.id, " are another's"));
  }
  for (const Touched& step : in_flight_) {
    if (std::find(step.control_rows.begin(), step.control_rows.end(), life.control_row) != step.control_rows.end()) {
      Broke(absl::StrCat("controls: those of ", share.id, " are still written by a step in flight"));
    }
  }
}

GroupCounts Referee::BlocksFor(const Request& request) const {
  const int64_t positions = PromptLength(request) + std::max<int64_t>(request.max_tokens - 1, 0);
  const int64_t all = (positions + config_.block_tokens - 1) / config_.block_tokens;
  GroupCounts need = {};
  for (size_t group = 0; group < config_.kv.size(); ++group) {
    need[group] = std::min<int64_t>(all, config_.kv[group].most_per_sequence);
  }
  return need;
}

std::vector<PageId> Referee::Flat(std::span<const std::vector<PageId>> blocks) {
  std::vector<PageId> flat;
  PageId first = 0;
  for (size_t group = 0; group < std::min(blocks.size(), config_.kv.size()); ++group) {
    for (const PageId block : blocks[group]) {
      if (block < 0 || block >= config_.kv[group].blocks) Broke(absl::StrCat("pages: there is no block ", block));
      flat.push_back(first + block);
    }
    first += config_.kv[group].blocks;
  }
  return flat;
}

void Referee::OnNoPlan(bool steps_in_flight, absl::Time now) {
  planning_ = last_step_ + 1;
  now_ = now;
  if (!steps_in_flight && alive_ > 0) Broke(absl::StrCat("progress: ", alive_, " are alive and nothing is planned"));
}

void Referee::OnAbandoned() {
  in_flight_.clear();
  ForgetEnded();
}

bool Referee::InFlight(SequenceId id) const {
  return std::any_of(in_flight_.begin(), in_flight_.end(), [id](const Touched& step) {
    return std::find(step.sequences.begin(), step.sequences.end(), id) != step.sequences.end();
  });
}

void Referee::ForgetEnded() {
  std::erase_if(ended_in_flight_, [this](const Ended& ended) { return !InFlight(ended.id); });
}

void Referee::OnEvent(const SequenceEvent& event) {
  Mix(event.id);
  const auto found = lives_.find(event.id);
  if (found == lives_.end()) return Broke(absl::StrCat("one end: ", event.id, " has an event and is not alive"));
  Life& life = found->second;
  life.scored += static_cast<int64_t>(event.prompt_logprobs.size());
  if (event.token) {
    Mix(static_cast<uint64_t>(event.token->id));
    ++life.told;
    if (event.token->id < 0) return Broke(absl::StrCat("tokens: ", event.id, " is told a token that is none"));
    if (life.expected.empty() || life.expected.front() != event.token->id) {
      return Broke(absl::StrCat("tokens: ", event.id, " is told what was not drawn"));
    }
    life.expected.pop_front();
  }
  if (event.finish) {
    const bool ends = event.token && ((!life.request.ignore_eos && Contains(config_.end_tokens, event.token->id)) ||
                                      Contains(life.request.stop_token_ids.vector(), event.token->id));
    if ((event.finish->reason == FinishReason::kStop) != ends) {
      Broke(absl::StrCat("tokens: ", event.id, " stops without an end token, or does not stop at one"));
    }
    End(event.id, *event.finish);
  }
}

void Referee::End(SequenceId id, const Finish& finish) {
  const auto found = lives_.find(id);
  const Life& life = found->second;
  Mix(static_cast<uint64_t>(finish.reason));
  const bool whole = finish.reason == FinishReason::kLength;
  if (finish.generated_tokens != life.told || (whole && life.told != life.request.max_tokens)) {
    Broke(absl::StrCat("tokens: ", id, " ends with ", finish.generated_tokens, ", ", life.told, " were told"));
  }
  const bool prompt_done = finish.reason == FinishReason::kStop || whole;
  if (prompt_done && life.scored != (life.request.prompt_logprobs ? PromptLength(life.request) - 1 : 0)) {
    Broke(absl::StrCat("tokens: ", id, " has ", life.scored, " prompt scores"));
  }
  if (!life.expected.empty() && life.expected.front() == kNothingDrawn && finish.reason == FinishReason::kError) {
    if (finish.message.empty()) Broke(absl::StrCat("tokens: ", id, " is not told why it ends"));
  }
  // Rows of a share behind the one that ends the text have drawn, too, and are not told.
  const auto untold = static_cast<int32_t>(life.expected.size());
  if (prompt_done && untold > (whole ? 0 : config_.max_decode_rows - 1)) {
    Broke(absl::StrCat("tokens: ", id, " was not told all"));
  }
  ++ended_[static_cast<size_t>(finish.reason)];
  if (InFlight(id)) ended_in_flight_.push_back({.id = id, .life = life});
  if (life.slot >= 0) slot_owner_[static_cast<size_t>(life.slot)] = 0;
  if (life.control_row >= 0) control_owner_[static_cast<size_t>(life.control_row)] = 0;
  for (const PageId block : life.blocks) block_owner_[static_cast<size_t>(block)] = 0;
  alive_ids_[life.alive_index] = alive_ids_.back();
  lives_.at(alive_ids_.back()).alive_index = life.alive_index;
  alive_ids_.pop_back();
  --alive_;
  lives_.erase(id);
}

void Referee::OnStats(const SchedulerStats& stats, bool planned) {
  if (stats.slots_used > config_.slots || stats.blocks_used > static_cast<int64_t>(block_owner_.size()))
    Broke("bounds: more pages than there are");
  const auto ended = static_cast<int64_t>(ended_in_flight_.size());
  const int64_t there = stats.running + stats.waiting + stats.parking.parked;
  if (stats.running != stats.slots_used || there != static_cast<int64_t>(alive_) + ended) {
    Broke(absl::StrCat("no leak: ", stats.slots_used, " slots are used, ", stats.running, " run and ", stats.waiting,
                       " wait, of ", alive_, " alive and ", ended, " in flight"));
  }
  CheckParked(stats, planned);
  CheckQueue(stats, planned);
}

void Referee::CheckQueue(const SchedulerStats& stats, bool planned) {
  int64_t waiting = 0, control_rows = 0;
  int32_t others = 0;
  GroupCounts held = {};  // blocks of all who have any, by K/V group
  const auto add = [&](const Request& request) {
    const GroupCounts need = BlocksFor(request);
    for (size_t group = 0; group < need.size(); ++group) held[group] += need[group];
    control_rows += request.sampling.controls_logits() ? 1 : 0;
  };
  struct Queue {
    int64_t sequences = 0, tokens = 0;
    std::set<std::pair<uint64_t, uint64_t>> requests;
  } queues[2];
  for (const Ended& ended : ended_in_flight_) {
    if (ended.life.runs()) add(ended.life.request);
  }
  for (const auto& [id, life] : lives_) {
    if (!life.expected.empty() && life.expected.front() == kNothingDrawn) {
      Broke(absl::StrCat("tokens: ", id, " goes on although nothing could be drawn"));
    }
    if (life.parked) continue;
    if (life.admitted) {
      add(life.request);
      others += life.request.urgent() ? 0 : 1;
      continue;
    }
    Queue& queue = queues[life.request.urgent() ? 1 : 0];
    ++waiting;
    ++queue.sequences;
    queue.tokens += PromptLength(life.request);
    queue.requests.emplace(life.request.group, life.request.group == 0 ? id : 0);
  }
  const int64_t tokens = queues[0].tokens + queues[1].tokens;
  const int64_t blocks = std::accumulate(held.begin(), held.end(), int64_t{0});
  if (waiting != stats.waiting || blocks != stats.blocks_used || tokens != stats.waiting_tokens) {
    Broke(absl::StrCat("no leak: ", stats.blocks_used, " blocks are used, not ", blocks, "; ", stats.waiting,
                       " wait, not ", waiting, "; ", stats.waiting_tokens, " tokens wait, not ", tokens));
  }
  if (control_rows != stats.control_rows_used) {
    Broke(absl::StrCat("no leak: ", stats.control_rows_used, " control rows are used, not ", control_rows));
  }
  for (const Queue& queue : queues) {
    const auto requests = static_cast<int64_t>(queue.requests.size());
    // One that is longer than the bound may wait alone.
    if (requests > config_.max_waiting || queue.sequences - requests > config_.max_waiting ||
        (queue.tokens > config_.max_waiting_tokens && queue.sequences > 1)) {
      Broke(absl::StrCat("bounds: ", queue.sequences, " of ", queue.tokens, " tokens are waiting"));
    }
  }
  if (others > config_.slots - config_.urgent_slots) Broke("order: others run in the slots of urgent ones");
  if (!planned || waiting == 0) return;
  const Holdings holdings = Held();
  const Life* next = Next(holdings, {});
  if (next == nullptr || ReturnsBefore(next->request.priority, holdings) != nullptr) return;
  if (Fits(*next, holdings)) Broke("no starvation: there are pages for who is next in the queue, and it waits");
  CheckUrgent(*next, holdings);
}

}  // namespace batucada::sim
