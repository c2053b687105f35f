#include "engine/schedule/scheduler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "engine/schedule/in_flight.h"

namespace batucada {

Scheduler::Scheduler(const SchedulerConfig& config)
    : config_(config), slots_("recurrent slots", config.slots), control_rows_("control rows", config.control_rows),
      client_share_(config.client_share, config.client_alone_after) {
  BATUCADA_CHECK(config.kv.size() <= static_cast<size_t>(kMaxKvGroups));
  for (const KvGroupSize& group : config.kv) blocks_.emplace_back("K/V blocks", group.blocks);
  if (config.prefix_cache && config.prefix_cache->device.slots > 0) {
    prefix_ = std::make_unique<PrefixCache>(*config.prefix_cache, config.kv, config.block_tokens, &blocks_);
  }
  if (config.parking.room.slots > 0) {
    parking_places_.emplace(Tier::kParked, config.parking.room, config.kv, config.block_tokens, &blocks_);
  }
  idle_pages_.Watch(kSlots, Tier::kRunning, &slots_);
  idle_pages_.Watch(kControls, Tier::kRunning, &control_rows_);
  for (size_t group = 0; group < blocks_.size(); ++group) {
    idle_pages_.Watch(static_cast<int32_t>(group), Tier::kRunning, blocks_[group].pages());
  }
  if (prefix_ != nullptr) prefix_->WatchIdle(&idle_pages_);
  if (parking_places_) parking_places_->WatchIdle(&idle_pages_);
  BATUCADA_CHECK(config.max_batch_tokens >= config.slots, "every running sequence needs a row in every step");
  BATUCADA_CHECK(config.request_share > 0 && config.client_share > 0);
  // A rejected row has overwritten what lay a ring before it, which is out of every later row's window only so far.
  BATUCADA_CHECK(config.max_decode_rows >= 1 && config.max_decode_rows <= config.block_tokens);
  BATUCADA_CHECK(config.urgent_slots >= 0 && config.urgent_slots < config.slots, "the others need a slot too");
}

Scheduler::~Scheduler() { CancelAll(FinishReason::kShutdown, absl::InfinitePast(), "", /*abandon_steps=*/true); }

void Scheduler::Cancel(SequenceId id, FinishReason reason, absl::Time now, const std::string& message) {
  const auto it = sequences_.find(id);
  if (it == sequences_.end()) return;
  End(*it->second, reason, now, message);
  Retire(*it->second);
}

void Scheduler::CancelAll(FinishReason reason, absl::Time now, const std::string& message, bool abandon_steps) {
  if (abandon_steps) {
    if (in_parts_ != nullptr) PartsLaunched();
    for (const InFlight& step : in_flight_) {
      for (const InFlight::Share& share : step.shares) --share.sequence->steps_in_flight;
    }
    in_flight_.clear();
    mask_budgets_.Abandon();
    if (prefix_ != nullptr) AbandonPrefixes();
  }
  std::vector<Sequence*> all(waiting_.begin(), waiting_.end());
  all.insert(all.end(), running_.begin(), running_.end());
  all.insert(all.end(), parked_.begin(), parked_.end());
  for (Sequence* sequence : all) {
    End(*sequence, reason, now, message);
    Retire(*sequence);
  }
}

std::optional<BatchPlan> Scheduler::Plan(absl::Time now) {
  ExpireDeadlines(now);
  client_share_.OnTime(now);
  now_ = now;
  if (prefix_ != nullptr) PollDisk(now);
  if (static_cast<int32_t>(in_flight_.size()) >= config_.max_steps_in_flight) return std::nullopt;
  if (config_.awaits_drafts && !in_flight_.empty() && in_flight_.back().mostly_drafted()) return std::nullopt;

  for (const SequenceId id : std::exchange(returning_, {})) {
    if (const auto found = sequences_.find(id); found != sequences_.end()) found->second->parking.arriving = false;
  }
  BatchPlan plan{.step = next_step_};
  in_flight_.push_back({.step = next_step_});
  if (prefix_ != nullptr) {
    // First: what is new on the device may have to make room there for what comes next.
    prefix_->PlanMoves(&plan.copies.moved, &in_flight_.back().moving);
    PlanPrefixes(plan);
  }
  AdmitWaiting(now, plan);
  mask_budgets_.Refill(now, /*keep=*/in_parts_ != nullptr);
  sitting_out_ = false;
  std::vector<Sequence*> prompts = WaitingForRows(now);
  plan.in_parts = config_.cuts_steps && PlansParts(now, &prompts);
  if (!plan.in_parts) PlanDecodes(now, plan);
  PlanPrompts(prompts, now, plan);
  if (!plan.in_parts && plan.num_tokens > 0) short_next_ = false;
  if (plan.sequences.empty() && plan.copies.empty() && placements_.empty()) {
    in_flight_.pop_back();
    return std::nullopt;
  }
  plan.placements = std::exchange(placements_, {});
  in_flight_.back().num_samples = plan.samples.size();
  in_flight_.back().num_decode = static_cast<size_t>(plan.num_decode);
  in_flight_.back().noted = !plan.constrained;
  ++next_step_;
  if (plan.in_parts) {
    in_parts_ = std::make_unique<InFlight>(std::move(in_flight_.back()));
    in_flight_.pop_back();
    for (const InFlight::Share& share : in_parts_->shares) share.sequence->in_parts = true;
  }
  return plan;
}

void Scheduler::PartsLaunched() {
  BATUCADA_CHECK(in_parts_ != nullptr, "no plan in parts is out");
  for (const InFlight::Share& share : in_parts_->shares) share.sequence->in_parts = false;
  in_flight_.push_back(std::move(*in_parts_));
  in_parts_ = nullptr;
  short_next_ = true;
}

double Scheduler::PromptWeight() const {
  // Where many wait and few generate, who waits counts for more: with a fixed share it is ever fewer that generate,
  // which computes least of all.
  constexpr double kWaiting = 4, kMoreAtMost = 8, kMost = 19;
  double waiting = 0, generating = 0;
  for (const Sequence* s : running_) {
    if (!s->ended) (s->prompt_left() > 0 || s->in_parts ? waiting : generating) += 1;
  }
  const double least = config_.prompt_share / (1 - config_.prompt_share);
  if (generating == 0) return least;
  return std::min(kMost, least * std::clamp(kWaiting * waiting / generating, 1.0, kMoreAtMost));
}

void Scheduler::ExpireDeadlines(absl::Time now) {
  std::vector<Sequence*> late;
  for (Sequence* s : waiting_) {
    if (s->request.deadline <= now) late.push_back(s);
  }
  for (const std::vector<Sequence*>* placed : {&running_, &parked_}) {
    for (Sequence* s : *placed) {
      if (!s->ended && s->request.deadline <= now) late.push_back(s);
    }
  }
  for (Sequence* s : late) {
    End(*s, FinishReason::kDeadline, now);
    Retire(*s);
  }
}

bool Scheduler::SitsOut(const Sequence& s, absl::Time now) {
  if (s.constraint == nullptr) return false;
  const bool sits_out = !mask_budgets_.Find(s.request.client, now).MayDraw(s.constraint->cost());
  sitting_out_ |= sits_out;
  return sits_out;
}

std::vector<Sequence*> Scheduler::WaitingForRows(absl::Time now) {
  std::vector<Sequence*> prompts;
  for (Sequence* s : running_) {
    if (!s->ended && s->chunk_left() > 0 && !SitsOut(*s, now)) prompts.push_back(s);
  }
  if (!std::is_sorted(prompts.begin(), prompts.end(), MoreUrgent)) {
    std::stable_sort(prompts.begin(), prompts.end(), MoreUrgent);
  }
  return prompts;
}

bool Scheduler::PlansParts(absl::Time now, std::vector<Sequence*>* prompts) {
  if (prompts->empty()) return false;
  std::vector<Sequence*> long_ones = LongOnes(*prompts);
  const bool generates = std::any_of(running_.begin(), running_.end(),
                                     [&](Sequence* s) { return s->wants_decode() && !SitsOut(*s, now); });
  const bool others = generates || long_ones.size() < prompts->size();
  // A text that has ended may be gone on with when the plan that saves it has ended, too.
  saves_first_ = !saves_first_ && !in_flight_.back().written.empty();
  if (in_parts_ != nullptr || (others && short_next_) || saves_first_ || long_ones.empty()) {
    std::erase_if(*prompts,
                  [&](Sequence* s) { return std::find(long_ones.begin(), long_ones.end(), s) != long_ones.end(); });
    return false;
  }
  const auto rows = [](int64_t sum, const Sequence* s) { return sum + s->chunk_left(); };
  const int64_t all = std::accumulate(prompts->begin(), prompts->end(), int64_t{0}, rows);
  if (!generates && all <= 4 * ShortPromptRows(config_.max_batch_tokens)) return false;  // little more than a part
  *prompts = std::move(long_ones);
  return true;
}

std::vector<Sequence*> Scheduler::LongOnes(std::span<Sequence* const> prompts) const {
  const int64_t most = ShortPromptRows(config_.max_batch_tokens);
  std::vector<Sequence*> long_ones;
  int64_t rows = 0;
  for (Sequence* s : prompts) {
    if (s->prompt_left() > most || rows + s->chunk_left() > most) {
      long_ones.push_back(s);
    } else {
      rows += s->chunk_left();
    }
  }
  return long_ones;
}

void Scheduler::PlanPrompts(std::span<Sequence*> prompts, absl::Time now, BatchPlan& plan) {
  for (auto first = prompts.begin(); first != prompts.end();) {
    const auto end = std::upper_bound(first, prompts.end(), *first, MoreUrgent);
    GoRound({first, end});
    SharePlan({first, end}, now, plan);
    first = end;
  }
}

void Scheduler::GoRound(std::span<Sequence*> prompts) {
  // As in the queue: the first of each request, then the second of each; likewise of each client.
  for (const Sequence* s : prompts) s->owner.request->turn = s->owner.client->turn = 0;
  bool sorted = true;
  for (Sequence* s : prompts) {
    s->turn = s->owner.request->turn++;
    sorted &= s->turn == 0;
  }
  const auto by_turn = [](const Sequence* a, const Sequence* b) { return a->turn < b->turn; };
  if (!sorted) std::stable_sort(prompts.begin(), prompts.end(), by_turn);
  if (shares_.clients() <= 1) return;
  for (Sequence* s : prompts) s->turn = s->owner.client->turn++;
  std::stable_sort(prompts.begin(), prompts.end(), by_turn);
}

void Scheduler::SharePlan(std::span<Sequence*> prompts, absl::Time now, BatchPlan& plan) {
  const int32_t most_rows = config_.max_batch_tokens;
  // The first in line share the budget evenly; fewer rows each would only multiply overheads, and all would end late.
  // What they do not need goes to the next.
  const int64_t least_share = std::max(64, most_rows / 8);
  while (!prompts.empty() && plan.num_tokens < most_rows) {
    int64_t budget = most_rows - plan.num_tokens;
    const auto first =
        prompts.first(std::min(prompts.size(), static_cast<size_t>(std::max<int64_t>(1, budget / least_share))));
    // The last place is that of the prompt with the least left: a short one passes any number of long ones.
    if (first.size() > 1) {
      const auto place = prompts.begin() + static_cast<std::ptrdiff_t>(first.size()) - 1;
      const auto shortest = std::min_element(place, prompts.end(), [](const Sequence* a, const Sequence* b) {
        return a->prompt_left() < b->prompt_left();
      });
      std::rotate(place, shortest, shortest + 1);
    }
    prompts = prompts.subspan(first.size());
    absl::InlinedVector<int64_t, 8> rows(first.size());
    const int64_t share = budget / static_cast<int64_t>(first.size());
    for (size_t i = 0; i < first.size(); ++i) {
      rows[i] = std::min(first[i]->chunk_left(), share);
      budget -= rows[i];
    }
    for (size_t i = 0; i < first.size(); ++i) {
      const int64_t more = std::min(first[i]->chunk_left() - rows[i], budget);
      budget -= more;
      if (rows[i] + more > 0) PlanChunk(*first[i], static_cast<int32_t>(rows[i] + more), now, plan);
    }
  }
}

void Scheduler::PlanChunk(Sequence& s, int32_t num_tokens, absl::Time now, BatchPlan& plan) {
  const int64_t start = s.planned_tokens;
  plan.sequences.push_back(
      {.id = s.id,
       .slot = s.slot,
       .start = start,
       .num_tokens = num_tokens,
       .tokens =
           std::span(s.request.prompt.vector()).subspan(static_cast<size_t>(start), static_cast<size_t>(num_tokens)),
       .blocks = s.blocks,
       .control_row = s.control_row,
       .controlled = start == s.first_position && s.controlled() ? &s.request : nullptr});
  InFlight::Share share{.sequence = &s, .prompt_tokens = num_tokens, .num_scores = 0, .draws = 0};
  if (s.request.prompt_logprobs.has_value()) {
    for (int64_t position = start + 1; position <= start + num_tokens && position < s.prompt_length(); ++position) {
      plan.samples.push_back({.row = plan.num_tokens + static_cast<int32_t>(position - start - 1),
                              .slot = s.slot,
                              .position = position,
                              .target = s.request.prompt[static_cast<size_t>(position)],
                              .num_top = *s.request.prompt_logprobs,
                              .sampling = &s.request.sampling});
      ++share.num_scores;
    }
  }
  s.planned_tokens += num_tokens;
  if (s.prompt_left() == 0 && s.request.max_tokens > 0) {
    PlanDraw(s, plan.num_tokens + num_tokens - 1, s.prompt_length(), now, plan);
    share.draws = 1;
    ++s.planned_samples;
  }
  plan.num_tokens += num_tokens;
  ++s.steps_in_flight;
  in_flight_.back().shares.push_back(share);
  if (s.prefix != nullptr) WriteCheckpoints(s, plan);
}

void Scheduler::PlanDraw(Sequence& s, int32_t row, int64_t position, absl::Time now, BatchPlan& plan) {
  plan.samples.push_back(
      {.row = row,
       .slot = s.slot,
       .position = position,
       .target = -1,
       .num_top = s.request.logprobs.value_or(0),
       .sampling = &s.request.sampling,
       .control_row = s.control_row,
       .first_end_position = s.prompt_length() + s.request.sampling.min_tokens,
       .constraint = s.constraint.get(),
       .mask_steps = s.constraint == nullptr ? nullptr : &mask_budgets_.Find(s.request.client, now).left});
  plan.constrained = plan.constrained || s.constraint != nullptr;
}

void Scheduler::NoteDraws(const StepResult& result, absl::Time now) {
  BATUCADA_CHECK(!in_flight_.empty() && in_flight_.front().step == result.step, "step ", result.step, " out of order");
  InFlight& step = in_flight_.front();
  BATUCADA_CHECK(step.num_samples == result.samples.size(), "step ", result.step, ": wrong number of samples");
  if (std::exchange(step.noted, true)) return;
  size_t next = 0;
  for (const InFlight::Share& share : step.shares) {
    const size_t drawn = next + static_cast<size_t>(share.num_scores);
    next = drawn + static_cast<size_t>(share.draws);
    TokenConstraint* const constraint = share.sequence->constraint.get();
    if (constraint == nullptr || share.draws == 0) continue;  // who has a grammar draws one at a time
    MaskBudgets::Client& client = mask_budgets_.Find(share.sequence->request.client, now);
    client.out -= share.mask_steps;
    if (const int32_t id = result.samples[drawn].id; id != kNothingDrawn) constraint->Accept(id, &client.left);
  }
}

void Scheduler::Commit(const StepResult& result, absl::Time now) {
  BATUCADA_CHECK(!in_flight_.empty() && in_flight_.front().step == result.step, "step ", result.step, " out of order");
  NoteDraws(result, now);
  const InFlight step = std::move(in_flight_.front());
  in_flight_.erase(in_flight_.begin());
  BATUCADA_CHECK(result.kept.size() == (step.drafts.empty() ? 0 : step.num_decode), "step ", result.step,
                 ": who is kept is not said of every decode share");

  if (prefix_ != nullptr) CommitPrefixes(step);
  size_t next = 0;
  for (size_t i = 0; i < step.shares.size(); ++i) {
    const InFlight::Share& share = step.shares[i];
    Sequence& s = *share.sequence;
    --s.steps_in_flight;
    const auto scores = std::span(result.samples).subspan(next, static_cast<size_t>(share.num_scores));
    const auto drawn = std::span(result.samples).subspan(next + scores.size(), static_cast<size_t>(share.draws));
    next += scores.size() + drawn.size();
    prompt_tokens_ += static_cast<uint64_t>(share.prompt_tokens);
    const bool all = result.kept.empty() || i >= step.num_decode;
    const int32_t kept = all ? share.draws : result.kept[i];
    BATUCADA_CHECK(kept <= share.draws && (kept > 0 || share.draws == 0), "step ", step.step, ": ", kept, " rows of ",
                   share.draws, " are kept");
    if (!s.ended && !scores.empty()) CommitScores(s, scores, now);
    if (share.draws > 0) CommitDraws(s, drawn.first(static_cast<size_t>(kept)), share.draws, now);
    if (!s.ended && s.request.max_tokens == 0 && s.prompt_left() == 0 && s.steps_in_flight == 0) {
      End(s, FinishReason::kLength, now);
    }
    Retire(s);
  }
}

void Scheduler::CommitScores(Sequence& s, std::span<const TokenResult> scores, absl::Time now) {
  const auto is_none = [](const TokenResult& score) { return score.id == kNothingDrawn; };
  if (std::any_of(scores.begin(), scores.end(), is_none)) {
    return End(s, FinishReason::kError, now, "the prompt could not be scored: the model gave no finite logit");
  }
  events_.push_back({.id = s.id, .prompt_logprobs = {scores.begin(), scores.end()}});
}

void Scheduler::CommitToken(Sequence& s, const TokenResult& token, absl::Time now) {
  if (token.id == kNothingDrawn) {
    s.finish.by_request = s.constraint != nullptr || s.request.sampling.controls_logits();
    if (s.constraint != nullptr && !s.constraint->failure().ok()) {
      return End(s, FinishReason::kError, now, std::string(s.constraint->failure().message()));
    }
    return End(s, FinishReason::kError, now,
               "no token could be drawn: the model gave no finite logit, or the request's own limits "
               "(a grammar or schema, allowed_token_ids, bad_words, logit_bias, min_tokens) left none");
  }
  const bool first = s.finish.generated_tokens++ == 0;
  if (first) s.finish.first_token = now;
  ++generated_tokens_;
  SequenceEvent& event = events_.emplace_back();
  event.id = s.id;
  event.token = token;
  if (!first) event.token_gap = now - s.last_token;
  s.last_token = now;
  if (StopsAt(s, token.id)) s.finish.stop_token = token.id;
  if (EndsAt(s, token.id) || (s.constraint != nullptr && s.constraint->finished())) {
    End(s, FinishReason::kStop, now);
  } else if (s.finish.generated_tokens == s.request.max_tokens) {
    End(s, FinishReason::kLength, now);
  }
}

void Scheduler::End(Sequence& s, FinishReason reason, absl::Time now, const std::string& message) {
  if (s.ended) return;
  s.ended = true;
  s.finish.reason = reason;
  s.finish.message = message;
  s.finish.finished = now;
  // A token and the end that it brings are one event.
  if (events_.empty() || events_.back().id != s.id || !events_.back().token) events_.push_back({.id = s.id});
  events_.back().finish = std::make_unique<Finish>(s.finish);
  if (config_.drafter != nullptr && s.admission > 0) config_.drafter->OnEnded(s.id);
  if (s.prefix == nullptr) return;
  // A text that was cut short by its reader may be gone on with, too.
  const bool goes_on = reason == FinishReason::kStop || reason == FinishReason::kLength ||
                       reason == FinishReason::kCancelled || reason == FinishReason::kDeadline;
  s.prefix->save = goes_on && !s.request.only_breakpoints && s.slot >= 0 && s.prompt_left() == 0;
  DropPromises(s);
}

void Scheduler::Retire(Sequence& s) {
  if (!s.ended || s.steps_in_flight > 0) return;
  if (s.prefix == nullptr || !s.prefix->save) return Free(s);
  if (!std::exchange(s.prefix->ending, true)) ending_.push_back(&s);
}

void Scheduler::Free(Sequence& s) {
  if (s.prefix != nullptr) prefix_->Leave(s.prefix->leaf);
  if (s.parking.parked()) {
    parking_places_->Release(&s.parking.pages);
    for (Share* share : {s.owner.client, s.owner.request}) --share->parked;
    parked_.erase(std::find(parked_.begin(), parked_.end(), &s));
  } else if (s.slot < 0) {
    LeaveQueue(s);
    waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &s));
  } else {
    TakeBack(s);
    running_.erase(std::find(running_.begin(), running_.end(), &s));
  }
  shares_.Forget(s.id, s.request);
  sequences_.erase(s.id);
}

bool Scheduler::IsEndToken(int32_t id) const {
  return std::find(config_.end_tokens.begin(), config_.end_tokens.end(), id) != config_.end_tokens.end();
}

bool Scheduler::StopsAt(const Sequence& s, int32_t id) const {
  const auto& stops = s.request.stop_token_ids;
  return !stops.empty() && std::find(stops.begin(), stops.end(), id) != stops.end();
}

bool Scheduler::EndsAt(const Sequence& s, int32_t id) const {
  return StopsAt(s, id) || (!s.request.ignore_eos && IsEndToken(id));
}

std::vector<SequenceEvent> Scheduler::TakeEvents(std::vector<SequenceEvent> room) {
  room.clear();
  return std::exchange(events_, std::move(room));
}

std::optional<PrefixCacheStats> Scheduler::prefix_stats() const {
  if (prefix_ == nullptr) return std::nullopt;
  return prefix_->stats();
}

SchedulerStats Scheduler::stats() const {
  int64_t blocks_used = 0;
  for (const BlockPool& blocks : blocks_) blocks_used += blocks.used() - blocks.reclaimable();
  return {.running = static_cast<int64_t>(running_.size()),
          .waiting = static_cast<int64_t>(waiting_.size()),
          .waiting_tokens = waiting_totals_[0].tokens + waiting_totals_[1].tokens,
          .slots_used = slots_.used(),
          .control_rows_used = control_rows_.used(),
          .blocks_used = blocks_used,
          .steps_in_flight = static_cast<int64_t>(in_flight_.size()) + (in_parts_ != nullptr ? 1 : 0),
          .parking = CountParked(),
          .prompt_tokens = prompt_tokens_,
          .generated_tokens = generated_tokens_,
          .drafts = drafts_,
          .kept_drafts = kept_drafts_};
}

}  // namespace batucada
