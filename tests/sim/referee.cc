#include "tests/sim/referee.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace batucada::sim {
namespace {

constexpr size_t kFinishReasons = 7;

int64_t PromptLength(const Request& request) { return static_cast<int64_t>(request.prompt.size()); }

bool Contains(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool Overlap(const std::vector<PageId>& a, const std::vector<PageId>& b) {
  return std::any_of(a.begin(), a.end(), [&](PageId page) { return std::find(b.begin(), b.end(), page) != b.end(); });
}

}  // namespace

Referee::Referee(const SchedulerConfig& config)
    : config_(config), slot_owner_(static_cast<size_t>(config.slots)), block_owner_(static_cast<size_t>(config.blocks)),
      ended_(kFinishReasons) {}

void Referee::OnAccepted(SequenceId id, const Request& request) {
  Life life = {
      .request = request, .arrival = ++arrivals_, .blocks = {}, .expected = {}, .alive_index = alive_ids_.size()};
  alive_ids_.push_back(id);
  lives_.emplace(id, std::move(life));
  ++alive_;
}

SequenceId Referee::Alive(uint64_t index) const { return alive_ids_[index]; }

bool Referee::WantsDecode(const Life& life) const {
  return life.slot >= 0 && life.next_position >= PromptLength(life.request) && life.drawn < life.request.max_tokens;
}

void Referee::OnPlan(const BatchPlan& plan, absl::Time now) {
  if (plan.step != ++last_step_) Broke("steps are not numbered in order");
  Mix(plan.step);
  if (static_cast<int32_t>(in_flight_.size()) >= config_.max_steps_in_flight) Broke("budget: too many steps in flight");
  int32_t want = 0;
  for (const auto& [id, life] : lives_) {
    want += WantsDecode(life) ? 1 : 0;
    if (life.request.deadline <= now) Broke(absl::StrCat("deadlines: ", id, " lives past its own"));
  }
  if (want != plan.num_decode)
    Broke(absl::StrCat("progress: ", want, " decode, ", plan.num_decode, " are in the plan"));

  Touched touched;
  int32_t rows = 0;
  for (size_t i = 0; i < plan.sequences.size(); ++i) {
    OnShare(plan.sequences[i], static_cast<int32_t>(i) < plan.num_decode, &touched);
    rows += plan.sequences[i].num_tokens;
  }
  if (rows != plan.num_tokens || rows > config_.max_batch_tokens || rows == 0) {
    Broke(absl::StrCat("budget: ", rows, " rows, the plan says ", plan.num_tokens));
  }
  if (rows < config_.max_batch_tokens) {
    for (const auto& [id, life] : lives_) {
      if (life.slot < 0 || life.next_position >= PromptLength(life.request)) continue;
      if (std::find(touched.sequences.begin(), touched.sequences.end(), id) == touched.sequences.end()) {
        Broke(absl::StrCat("progress: rows are left and the prompt of ", id, " gets none"));
      }
    }
  }
  for (const PlannedSample& sample : plan.samples) {
    const SequenceId owner = slot_owner_[static_cast<size_t>(sample.slot)];
    const auto found = lives_.find(owner);
    if (found == lives_.end()) return Broke("pages: a sample is of a slot that is nobody's");
    Life& life = found->second;
    if (sample.target < 0) {
      if (++life.drawn > life.request.max_tokens) Broke(absl::StrCat("tokens: too many drawn for ", owner));
      if (sample.position != life.next_position) Broke(absl::StrCat("positions: ", owner, " draws at a wrong one"));
    } else if (sample.target != life.request.prompt.at(static_cast<size_t>(sample.position))) {
      Broke(absl::StrCat("positions: ", owner, " scores what is not its prompt"));
    }
    touched.samples.push_back(sample);
    touched.sample_owners.push_back(owner);
  }
  in_flight_.push_back(std::move(touched));
}

void Referee::OnShare(const PlannedSequence& share, bool decode, Touched* touched) {
  Mix(share.id * 0x9E3779B97F4A7C15ULL + static_cast<uint64_t>(share.start) * 4096 +
      static_cast<uint64_t>(share.num_tokens));
  const auto found = lives_.find(share.id);
  if (found == lives_.end()) return Broke(absl::StrCat("one end: ", share.id, " is planned and not alive"));
  Life& life = found->second;
  if (life.slot < 0) Admit(life, share);
  const std::vector<PageId> blocks(share.blocks.begin(), share.blocks.end());
  if (share.slot != life.slot || blocks != life.blocks) Broke(absl::StrCat("pages: ", share.id, " changed its own"));
  if (std::find(touched->sequences.begin(), touched->sequences.end(), share.id) != touched->sequences.end()) {
    Broke(absl::StrCat("positions: ", share.id, " is in the plan twice"));
  }
  if (share.start != life.next_position || share.num_tokens < 1) {
    Broke(absl::StrCat("positions: ", share.id, " goes on at ", share.start, ", not at ", life.next_position));
  }
  if (decode) {
    if (!WantsDecode(life) || share.num_tokens != 1 || !share.tokens.empty()) {
      Broke(absl::StrCat("progress: ", share.id, " decodes and should not"));
    }
  } else {
    const auto first = life.request.prompt.begin() + static_cast<std::ptrdiff_t>(share.start);
    if (share.start + share.num_tokens > PromptLength(life.request) ||
        !std::equal(share.tokens.begin(), share.tokens.end(), first, first + share.num_tokens)) {
      return Broke(absl::StrCat("positions: ", share.id, " is fed what is not its prompt"));
    }
  }
  life.next_position += share.num_tokens;
  touched->sequences.push_back(share.id);
  touched->slots.push_back(share.slot);
  touched->blocks.insert(touched->blocks.end(), blocks.begin(), blocks.end());
}

void Referee::Admit(Life& life, const PlannedSequence& share) {
  for (const auto& [other_id, other] : lives_) {
    if (other.slot < 0 && other.arrival < life.arrival && other.request.priority <= life.request.priority) {
      Broke(absl::StrCat("order: ", share.id, " is admitted before ", other_id));
    }
  }
  life.slot = share.slot;
  life.blocks.assign(share.blocks.begin(), share.blocks.end());
  const int64_t positions = PromptLength(life.request) + std::max<int64_t>(life.request.max_tokens - 1, 0);
  const int64_t need =
      std::min<int64_t>((positions + config_.block_tokens - 1) / config_.block_tokens, config_.max_blocks_per_sequence);
  if (static_cast<int64_t>(life.blocks.size()) != need)
    Broke(absl::StrCat("pages: ", share.id, " has not what it needs"));
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

void Referee::OnNoPlan(bool steps_in_flight) {
  if (!steps_in_flight && alive_ > 0) Broke(absl::StrCat("progress: ", alive_, " are alive and nothing is planned"));
}

void Referee::OnResult(const StepResult& result) {
  const Touched step = std::move(in_flight_.front());
  in_flight_.pop_front();
  for (size_t i = 0; i < step.samples.size(); ++i) {
    const auto found = lives_.find(step.sample_owners[i]);
    if (found != lives_.end() && step.samples[i].target < 0) found->second.expected.push_back(result.samples[i].id);
  }
}

void Referee::OnAbandoned() { in_flight_.clear(); }

void Referee::OnEvents(const std::vector<SequenceEvent>& events) {
  for (const SequenceEvent& event : events) {
    Mix(event.id);
    const auto found = lives_.find(event.id);
    if (found == lives_.end()) return Broke(absl::StrCat("one end: ", event.id, " has an event and is not alive"));
    Life& life = found->second;
    life.scored += static_cast<int64_t>(event.prompt_logprobs.size());
    if (event.token) {
      Mix(static_cast<uint64_t>(event.token->id));
      ++life.told;
      if (life.expected.empty() || life.expected.front() != event.token->id) {
        return Broke(absl::StrCat("tokens: ", event.id, " is told what was not drawn"));
      }
      life.expected.pop_front();
    }
    if (event.finish) {
      const bool ends = event.token && ((!life.request.ignore_eos && Contains(config_.end_tokens, event.token->id)) ||
                                        Contains(life.request.stop_token_ids, event.token->id));
      if ((event.finish->reason == FinishReason::kStop) != ends) {
        Broke(absl::StrCat("tokens: ", event.id, " stops without an end token, or does not stop at one"));
      }
      End(event.id, *event.finish);
    }
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
  if (!life.expected.empty() && prompt_done) Broke(absl::StrCat("tokens: ", id, " was not told all"));
  ++ended_[static_cast<size_t>(finish.reason)];
  if (life.slot >= 0) slot_owner_[static_cast<size_t>(life.slot)] = 0;
  for (const PageId block : life.blocks) block_owner_[static_cast<size_t>(block)] = 0;
  alive_ids_[life.alive_index] = alive_ids_.back();
  lives_.at(alive_ids_.back()).alive_index = life.alive_index;
  alive_ids_.pop_back();
  --alive_;
  lives_.erase(id);
}

void Referee::OnStats(const SchedulerStats& stats) {
  if (stats.waiting > 2 * config_.max_waiting) Broke(absl::StrCat("bounds: ", stats.waiting, " are waiting"));
  if (stats.slots_used > config_.slots || stats.blocks_used > config_.blocks)
    Broke("bounds: more pages than there are");
  if (alive_ == 0 && in_flight_.empty() &&
      (stats.slots_used != 0 || stats.blocks_used != 0 || stats.waiting != 0 || stats.waiting_tokens != 0)) {
    Broke(absl::StrCat("no leak: ", stats.slots_used, " slots and ", stats.blocks_used, " blocks are used, ",
                       stats.waiting, " sequences of ", stats.waiting_tokens,
                       " tokens are waiting, and nobody is there"));
  }
}

}  // namespace batucada::sim
