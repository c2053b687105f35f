// Decode shares: a row for every sequence that generates, and rows of drafts where they have room.
#include <algorithm>

#include "base/rounding.h"
#include "base/status.h"
#include "engine/schedule/in_flight.h"
#include "engine/schedule/scheduler.h"

namespace batucada {

void Scheduler::PlanDecodes(absl::Time now, BatchPlan& plan) {
  ChooseDecoding(now);
  plan.sequences.reserve(decoding_.size());
  plan.samples.reserve(decoding_.size());
  in_flight_.back().shares.reserve(decoding_.size());
  if (config_.drafter == nullptr) {
    for (Sequence* s : decoding_) PlanDecode(*s, 0, now, plan);
    return;
  }
  // What the plan points to must not move.
  in_flight_.back().drafts.reserve(static_cast<size_t>(config_.max_batch_tokens));
  // Even parts; what one does not need goes to those after it.
  auto left = static_cast<int32_t>(decoding_.size());
  int32_t rows = RowsForDrafts(left);
  for (Sequence* s : decoding_) {
    const int32_t before = plan.num_tokens;
    PlanDecode(*s, std::min(MostDrafts(*s), CeilDiv(rows, left)), now, plan);
    rows -= plan.num_tokens - before - 1;
    --left;
  }
}

void Scheduler::ChooseDecoding(absl::Time now) {
  decoding_.clear();
  for (Sequence* s : running_) {
    if (s->wants_decode()) decoding_.push_back(s);
  }
  // Of those that cannot all go on, each has its turn.
  const auto waits_longer = [](const Sequence* a, const Sequence* b) { return a->sat_out > b->sat_out; };
  if (!std::is_sorted(decoding_.begin(), decoding_.end(), waits_longer)) {
    std::stable_sort(decoding_.begin(), decoding_.end(), waits_longer);
  }
  std::erase_if(decoding_, [&](Sequence* s) {
    if (s->constraint == nullptr) return false;
    if (SitsOut(*s, now)) {
      ++s->sat_out;
      return true;
    }
    s->sat_out = 0;
    mask_budgets_.Find(s->request.client, now).out += s->constraint->cost();
    return false;
  });
}

int32_t Scheduler::RowsForDrafts(int32_t decoding) const {
  if (in_parts_ != nullptr) return 0;  // what runs between the parts is short
  const int32_t left = std::max(std::min(config_.max_batch_tokens, config_.max_drafts) - decoding, 0);
  const bool prompts =
      std::any_of(running_.begin(), running_.end(), [](const Sequence* s) { return !s->ended && s->chunk_left() > 0; });
  return prompts ? left / 2 : left;
}

int32_t Scheduler::MostDrafts(const Sequence& s) const {
  // What one row draws changes what the next may: its draw would have to wait for the other.
  if (s.constraint != nullptr || s.controlled()) return 0;
  const int64_t draws = s.request.max_tokens - s.planned_samples;
  return static_cast<int32_t>(std::min<int64_t>(config_.max_decode_rows, draws)) - 1;
}

void Scheduler::PlanDecode(Sequence& s, int32_t most_drafts, absl::Time now, BatchPlan& plan) {
  InFlight& step = in_flight_.back();
  const size_t first = step.drafts.size();
  if (most_drafts > 0) {
    config_.drafter->Draft(s.id, s.planned_tokens + 1, s.undecided, most_drafts, &step.drafts);
    BATUCADA_CHECK(step.drafts.size() <= first + static_cast<size_t>(most_drafts), "more drafts than were asked for");
    // Nothing is drawn behind an end: the state that is kept of the text would be of more than the text.
    const auto begin = step.drafts.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = std::find_if(begin, step.drafts.end(), [&](int32_t id) { return EndsAt(s, id); });
    step.drafts.erase(end, step.drafts.end());
  }
  const auto drafts = std::span<const int32_t>(step.drafts).subspan(first);
  const int32_t rows = 1 + static_cast<int32_t>(drafts.size());
  plan.sequences.push_back({.id = s.id,
                            .slot = s.slot,
                            .start = s.planned_tokens,
                            .undecided = s.undecided,
                            .num_tokens = rows,
                            .tokens = {},
                            .drafts = drafts,
                            .blocks = s.blocks,
                            .control_row = s.control_row});
  for (int32_t row = 0; row < rows; ++row) {
    PlanDraw(s, plan.num_tokens + row, s.planned_tokens + row + 1, now, plan);
  }
  step.shares.push_back({.sequence = &s,
                         .prompt_tokens = 0,
                         .num_scores = 0,
                         .draws = rows,
                         .mask_steps = s.constraint == nullptr ? 0 : s.constraint->cost()});
  plan.num_tokens += rows;
  ++plan.num_decode;
  if (rows > 1) ++step.num_drafted;
  s.planned_tokens += rows;
  s.planned_samples += rows;
  s.undecided += rows - 1;
  ++s.steps_in_flight;
}

void Scheduler::CommitDraws(Sequence& s, std::span<const TokenResult> kept, int32_t rows, absl::Time now) {
  const int32_t rejected = rows - static_cast<int32_t>(kept.size());
  s.planned_tokens -= rejected;
  s.planned_samples -= rejected;
  s.undecided -= rows - 1;
  drafts_ += static_cast<uint64_t>(rows - 1);
  kept_drafts_ += static_cast<uint64_t>(rows - 1 - rejected);
  if (s.prefix != nullptr) {
    for (const TokenResult& token : kept) s.prefix->generated.push_back(token.id);
  }
  for (const TokenResult& token : kept) {
    if (s.ended) return;
    CommitToken(s, token, now);
  }
  if (!s.ended && config_.drafter != nullptr) config_.drafter->OnDrawn(s.id, kept, rows);
}

}  // namespace batucada
