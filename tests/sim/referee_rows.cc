// What the referee knows of a plan's rows: whose they are, what they are fed and draw, and which are kept.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/splitmix.h"
#include "tests/sim/referee.h"

namespace batucada::sim {

void Referee::OnShare(const PlannedSequence& share, bool decode, Touched* touched) {
  Mix(share.id * kSplitMixStep + static_cast<uint64_t>(share.start) * 4096 + static_cast<uint64_t>(share.num_tokens));
  const auto found = lives_.find(share.id);
  if (found == lives_.end()) return Broke(absl::StrCat("one end: ", share.id, " is planned and not alive"));
  Life& life = found->second;
  if (!life.admitted) Broke(absl::StrCat("order: ", share.id, " has rows and was not admitted"));
  if (life.parked || life.arriving) Broke(absl::StrCat("parking: ", share.id, " has rows and its state is elsewhere"));
  if (life.in_parts) Broke(absl::StrCat("parts: ", share.id, " has rows, and is in the plan in parts"));
  if (life.slot < 0) Place(life, share);
  const std::vector<PageId> blocks = Flat(share.blocks);
  if (share.slot != life.slot || blocks != life.blocks || share.control_row != life.control_row)
    Broke(absl::StrCat("pages: ", share.id, " changed its own"));
  if (std::find(touched->sequences.begin(), touched->sequences.end(), share.id) != touched->sequences.end()) {
    Broke(absl::StrCat("positions: ", share.id, " is in the plan twice"));
  }
  if (share.start != life.next_position || share.num_tokens < 1) {
    Broke(absl::StrCat("positions: ", share.id, " goes on at ", share.start, ", not at ", life.next_position));
  }
  if (decode) {
    OnDecodeShare(share, life, touched);
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
  if (share.control_row >= 0) touched->control_rows.push_back(share.control_row);
  touched->blocks.insert(touched->blocks.end(), blocks.begin(), blocks.end());
}

void Referee::OnDecodeShare(const PlannedSequence& share, Life& life, Touched* touched) {
  if (!WantsDecode(life) || !share.tokens.empty() ||
      static_cast<int32_t>(share.drafts.size()) + 1 != share.num_tokens) {
    Broke(absl::StrCat("progress: ", share.id, " decodes and should not"));
  }
  if (share.undecided != life.undecided) {
    Broke(absl::StrCat("positions: ", share.undecided, " rows of ", share.id, " are undecided, not ", life.undecided));
  }
  const bool one_row = life.request.sampling.controls_logits() || life.request.constraint != nullptr;
  if (share.num_tokens > (one_row ? 1 : config_.max_decode_rows)) {
    Broke(absl::StrCat("drafts: ", share.id, " has ", share.num_tokens, " rows"));
  }
  life.undecided += share.num_tokens - 1;
  touched->decodes.push_back({.id = share.id, .drafts = {share.drafts.begin(), share.drafts.end()}});
}

bool Referee::AwaitsDrafts() const {
  const auto newest =
      std::find_if(in_flight_.rbegin(), in_flight_.rend(), [](const Touched& step) { return !step.in_parts; });
  if (!config_.awaits_drafts || newest == in_flight_.rend()) return false;
  const auto drafted = std::count_if(newest->decodes.begin(), newest->decodes.end(),
                                     [](const DecodeShare& share) { return !share.drafts.empty(); });
  return drafted > 0 && 2 * drafted >= static_cast<std::ptrdiff_t>(newest->decodes.size());
}

void Referee::CheckDrafts(const BatchPlan& plan, bool prompts) {
  const int32_t drafts = plan.decode_rows() - plan.num_decode;
  if (prompts && drafts > (config_.max_batch_tokens - plan.num_decode) / 2) {
    Broke(absl::StrCat("drafts: ", drafts, " rows beside prompts, of ", config_.max_batch_tokens));
  }
  if (drafts > 0 && plan.decode_rows() > config_.max_drafts) {
    Broke(absl::StrCat("drafts: ", plan.decode_rows(), " rows decode, of ", config_.max_drafts, " with drafts"));
  }
}

void Referee::OnSample(const BatchPlan& plan, const PlannedSample& sample, Touched* touched) {
  const SequenceId owner = slot_owner_[static_cast<size_t>(sample.slot)];
  const auto found = lives_.find(owner);
  if (found == lives_.end()) return Broke("pages: a sample is of a slot that is nobody's");
  Life& life = found->second;
  if (sample.target < 0) {
    if (sample.control_row != life.control_row) Broke(absl::StrCat("controls: ", owner, " draws with another's"));
    if (++life.drawn > life.request.max_tokens) Broke(absl::StrCat("tokens: too many drawn for ", owner));
    if (sample.position < PromptLength(life.request) || sample.position > life.next_position) {
      Broke(absl::StrCat("positions: ", owner, " draws at a wrong one"));
    }
  } else if (sample.target != life.request.prompt.at(static_cast<size_t>(sample.position))) {
    Broke(absl::StrCat("positions: ", owner, " scores what is not its prompt"));
  }
  // The row whose logits are wanted computes the position before.
  const auto share = std::find_if(plan.sequences.begin(), plan.sequences.end(),
                                  [owner](const PlannedSequence& each) { return each.id == owner; });
  int32_t first = 0;
  for (auto before = plan.sequences.begin(); before != share; ++before) first += before->num_tokens;
  if (share == plan.sequences.end() || sample.row < first || sample.row >= first + share->num_tokens ||
      share->start + (sample.row - first) + 1 != sample.position) {
    Broke(absl::StrCat("rows: a sample of ", owner, " is of row ", sample.row));
  }
  if (!touched->samples.empty() && touched->samples.back().row >= sample.row) Broke("rows: samples are out of order");
  touched->samples.push_back(sample);
  touched->sample_owners.push_back(owner);
}

void Referee::OnResult(const StepResult& result) {
  const auto oldest =
      std::find_if(in_flight_.begin(), in_flight_.end(), [](const Touched& each) { return !each.in_parts; });
  const Touched step = std::move(*oldest);
  in_flight_.erase(oldest);
  ForgetEnded();
  const std::vector<size_t> kept = KeptRows(step, result);
  size_t row = 0;
  for (size_t i = 0; i < step.decodes.size(); ++i) {
    const DecodeShare& share = step.decodes[i];
    const size_t rows = share.drafts.size() + 1;
    const auto found = lives_.find(share.id);
    if (found != lives_.end()) {
      Life& life = found->second;
      life.next_position -= static_cast<int64_t>(rows - kept[i]);
      life.drawn -= static_cast<int64_t>(rows - kept[i]);
      life.undecided -= static_cast<int32_t>(rows - 1);
      for (size_t k = 0; k < kept[i]; ++k) life.expected.push_back(result.samples[row + k].id);
    }
    row += rows;
  }
  for (size_t i = row; i < step.samples.size(); ++i) {
    const auto found = lives_.find(step.sample_owners[i]);
    if (found != lives_.end() && step.samples[i].target < 0) found->second.expected.push_back(result.samples[i].id);
  }
}

std::vector<size_t> Referee::KeptRows(const Touched& step, const StepResult& result) {
  std::vector<size_t> all;
  size_t row = 0;
  for (const DecodeShare& share : step.decodes) {
    size_t kept = 1;
    while (kept <= share.drafts.size() && result.samples.at(row + kept - 1).id == share.drafts[kept - 1]) ++kept;
    const size_t said = result.kept.empty() ? share.drafts.size() + 1 : static_cast<size_t>(result.kept[all.size()]);
    if (said != kept) Broke(absl::StrCat("drafts: ", kept, " rows of ", share.id, " were right, ", said, " are kept"));
    all.push_back(kept);
    row += share.drafts.size() + 1;
  }
  return all;
}

}  // namespace batucada::sim
