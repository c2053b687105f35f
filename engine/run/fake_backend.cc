#include "engine/run/fake_backend.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/rounding.h"
#include "base/splitmix.h"
#include "base/status.h"

namespace batucada {
namespace {

uint64_t Extend(uint64_t hash, int32_t token) { return SplitMix(hash ^ static_cast<uint64_t>(token)); }

int32_t DrawFromHash(const FakeBackendConfig& config, uint64_t hash, const SamplingParams& sampling) {
  uint64_t h = sampling.temperature > 0 ? SplitMix(hash ^ sampling.seed) : hash;
  for (;; h = SplitMix(h)) {
    const auto token = static_cast<int32_t>(h % static_cast<uint64_t>(config.vocab_size));
    if (std::find(config.never.begin(), config.never.end(), token) == config.never.end()) return token;
  }
}

// As many parts has a plan in parts.
constexpr int32_t kParts = 8;

// What a row finds of the token `back` positions before it.
uint64_t Seen(uint64_t hash, int64_t back) { return SplitMix(hash + static_cast<uint64_t>(back)); }

// What a request's controls make of what it draws by.
uint64_t ControlHash(const SamplingParams& p) {
  uint64_t hash = static_cast<uint64_t>(p.min_tokens);
  for (const float value : {p.repetition_penalty, p.presence_penalty, p.frequency_penalty}) {
    hash = SplitMix(hash ^ std::bit_cast<uint32_t>(value));
  }
  return hash;
}

// One of the tokens that the constraint allows, each as likely as another, also of those that are never drawn
// otherwise.
int32_t DrawAllowed(const FakeBackendConfig& config, uint64_t hash, const PlannedSample& sample) {
  std::vector<uint32_t> mask(CeilDiv(static_cast<size_t>(config.vocab_size), 32));
  if (!sample.constraint->Mask(mask, sample.mask_steps).ok()) return kNothingDrawn;
  const uint64_t h = sample.sampling->temperature > 0 ? SplitMix(hash ^ sample.sampling->seed) : hash;
  const auto count = std::accumulate(mask.begin(), mask.end(), uint64_t{0}, [](uint64_t sum, uint32_t word) {
    return sum + static_cast<uint64_t>(std::popcount(word));
  });
  if (count == 0) return kNothingDrawn;
  uint64_t skip = SplitMix(h) % count;
  for (int32_t id = 0;; ++id) {
    if ((mask[static_cast<size_t>(id) / 32] >> (id % 32) & 1U) != 0 && skip-- == 0) return id;
  }
}

}  // namespace

FakeBackend::FakeBackend(FakeBackendConfig config)
    : config_(std::move(config)), slots_(static_cast<size_t>(config_.capacity.slots)),
      device_free_(std::chrono::steady_clock::now()) {
  BATUCADA_CHECK(config_.vocab_size > static_cast<int32_t>(config_.never.size()));
  for (auto& tier : blocks_) tier.resize(config_.windows.size());
  // What a disk may read and write beside the steps does not move.
  const TierSize& host = config_.capacity.host;
  host_slots_.resize(static_cast<size_t>(host.slots));
  parked_slots_.resize(static_cast<size_t>(config_.capacity.parked.slots));
  for (size_t group = 0; host.slots > 0 && group < config_.windows.size(); ++group) {
    const Block empty(static_cast<size_t>(config_.capacity.block_tokens));
    blocks_[static_cast<size_t>(Tier::kHost)][group].assign(static_cast<size_t>(host.blocks.at(group)), empty);
  }
}

int32_t FakeBackend::Draw(const FakeBackendConfig& config, std::span<const int32_t> history,
                          const SamplingParams& sampling) {
  std::vector<uint64_t> hashes;
  uint64_t hash = 0;
  for (int32_t token : history) hashes.push_back(hash = Extend(hash, token));
  uint64_t drawn = hash;
  const auto newest = static_cast<int64_t>(hashes.size()) - 1;
  for (const int64_t window : config.windows) {
    for (int64_t back = 0; back < window && back <= newest; ++back) {
      drawn ^= Seen(hashes[static_cast<size_t>(newest - back)], back);
    }
  }
  return DrawFromHash(config, sampling.controls_logits() ? drawn ^ ControlHash(sampling) : drawn, sampling);
}

FakeBackend::Block& FakeBackend::BlockAt(size_t group, PageRef page) {
  std::vector<Block>& blocks = blocks_[static_cast<size_t>(page.tier)].at(group);
  const auto index = static_cast<size_t>(page.page);
  if (index >= blocks.size()) blocks.resize(index + 1);
  if (blocks[index].empty()) blocks[index].resize(static_cast<size_t>(config_.capacity.block_tokens));
  return blocks[index];
}

uint64_t FakeBackend::Attend(const PlannedSequence& s, int64_t position, uint64_t hash) {
  uint64_t drawn = hash;
  const int64_t block_tokens = config_.capacity.block_tokens;
  for (size_t group = 0; group < config_.windows.size(); ++group) {
    const int64_t width = config_.capacity.kv.at(group).most_per_sequence;
    const auto at = [&](int64_t p) -> uint64_t& {
      const PageId page = s.blocks[group].at(static_cast<size_t>(p / block_tokens % width));
      return BlockAt(group, {Tier::kRunning, page})[static_cast<size_t>(p % block_tokens)];
    };
    at(position) = hash;
    for (int64_t back = 0; back < config_.windows[group] && back <= position; ++back) {
      drawn ^= Seen(at(position - back), back);
    }
  }
  return drawn;
}

FakeBackend::Slot& FakeBackend::SlotAt(PageRef page) {
  if (page.tier == Tier::kRunning) return slots_.at(static_cast<size_t>(page.page));
  if (page.tier == Tier::kDevice) return kept_slots_[page.page];
  return (page.tier == Tier::kHost ? host_slots_ : parked_slots_).at(static_cast<size_t>(page.page));
}

void FakeBackend::Copy(const std::vector<PageCopy>& copies) {
  for (const PageCopy& copy : copies) {
    if (copy.group == kSlots) {
      const Slot from = SlotAt(copy.from);  // a copy: looking up the other may move it
      SlotAt(copy.to) = from;
    } else if (copy.group == kControls) {
      const auto rows = [this](PageRef page) -> auto& { return controls_[static_cast<size_t>(page.tier)]; };
      rows(copy.to)[copy.to.page] = rows(copy.from)[copy.from.page];
    } else if (!config_.windows.empty()) {
      const Block from = BlockAt(static_cast<size_t>(copy.group), copy.from);
      BlockAt(static_cast<size_t>(copy.group), copy.to) = from;
    }
  }
}

void FakeBackend::HostBytes(int32_t group, PageId page, std::vector<std::span<char>>* out) {
  if (group == kSlots) {
    out->emplace_back(reinterpret_cast<char*>(&host_slots_.at(static_cast<size_t>(page))), sizeof(Slot));
  } else if (!config_.windows.empty()) {
    Block& block = BlockAt(static_cast<size_t>(group), {Tier::kHost, page});
    out->emplace_back(reinterpret_cast<char*>(block.data()), block.size() * sizeof(uint64_t));
  }
}

void FakeBackend::Discard(const PoolPages& pages) {
  const auto tier = static_cast<size_t>(pages.tier);
  for (PageId page = pages.pages.first; page < pages.pages.first + pages.pages.count; ++page) {
    if (pages.group == kSlots) SlotAt({pages.tier, page}) = {};
    if (pages.group < 0 && (pages.group == kControls || pages.tier == Tier::kParked)) controls_[tier].erase(page);
    if (pages.group >= 0 && !config_.windows.empty()) {
      Block& block = BlockAt(static_cast<size_t>(pages.group), {pages.tier, page});
      std::fill(block.begin(), block.end(), 0);
    }
  }
}

void FakeBackend::LoseDevice() {
  std::fill(slots_.begin(), slots_.end(), Slot{});
  kept_slots_.clear();
  for (const Tier tier : {Tier::kRunning, Tier::kDevice}) {
    for (auto& blocks : blocks_[static_cast<size_t>(tier)]) blocks.clear();
  }
  launched_.clear();
  slots_in_parts_.clear();
}

absl::Status FakeBackend::CheckApart(const BatchPlan& plan) const {
  if (slots_in_parts_.empty()) return absl::OkStatus();
  const auto touches = [this](const PageCopy& copy) {
    const auto in_parts = [this](PageRef page) {
      return page.tier == Tier::kRunning && slots_in_parts_.contains(page.page);
    };
    return copy.group == kSlots && (in_parts(copy.from) || in_parts(copy.to));
  };
  for (const auto* copies : {&plan.copies.ended, &plan.copies.restored, &plan.copies.moved, &plan.copies.saved}) {
    if (std::any_of(copies->begin(), copies->end(), touches)) {
      return absl::InternalError(absl::StrCat("step ", plan.step, " copies what a step in parts computes"));
    }
  }
  for (const PlannedSequence& s : plan.sequences) {
    if (!slots_in_parts_.contains(s.slot)) continue;
    return absl::InternalError(absl::StrCat("sequence ", s.id, " is in a step in parts and in another"));
  }
  return absl::OkStatus();
}

absl::Status FakeBackend::Launch(const BatchPlan& plan) {
  BATUCADA_RETURN_IF_ERROR(CheckApart(plan));
  Copy(plan.copies.ended);
  Copy(plan.copies.restored);
  if (plan.in_parts) {
    if (!slots_in_parts_.empty()) return absl::InternalError("two plans in parts at once");
    for (const PlannedSequence& s : plan.sequences) slots_in_parts_.insert(s.slot);
    parts_left_ = kParts;
    return absl::OkStatus();
  }
  BATUCADA_RETURN_IF_ERROR(Compute(plan));
  Copy(plan.copies.moved);
  Copy(plan.copies.saved);
  Spend(config_.step_time);
  return plan.constrained ? absl::OkStatus() : Draw(plan);
}

absl::StatusOr<bool> FakeBackend::LaunchParts(const BatchPlan& plan, int32_t count) {
  if (parts_left_ == kParts) Copy(plan.copies.moved);
  count = std::min(count, parts_left_);
  parts_before_end_ = parts_end_;
  Spend(config_.step_time * count / kParts);
  parts_end_ = device_free_;
  parts_left_ -= count;
  if (parts_left_ > 0) return false;
  slots_in_parts_.clear();
  BATUCADA_RETURN_IF_ERROR(Compute(plan));
  Copy(plan.copies.saved);
  if (!plan.constrained) BATUCADA_RETURN_IF_ERROR(Draw(plan));
  return true;
}

absl::Status FakeBackend::AwaitParts() {
  if (config_.step_time > absl::ZeroDuration()) std::this_thread::sleep_until(parts_before_end_);
  return absl::OkStatus();
}

void FakeBackend::Spend(absl::Duration time) {
  device_free_ = std::max(device_free_, std::chrono::steady_clock::now()) + absl::ToChronoNanoseconds(time);
}

absl::Status FakeBackend::Compute(const BatchPlan& plan) {
  row_hash_.clear();
  row_state_.clear();
  row_hash_.reserve(static_cast<size_t>(plan.num_tokens));
  row_state_.reserve(static_cast<size_t>(plan.num_tokens));
  for (const PlannedSequence& s : plan.sequences) {
    Slot& slot = slots_.at(static_cast<size_t>(s.slot));
    const bool decodes = s.tokens.empty();
    if (s.start == 0) slot = {};
    if (s.controlled != nullptr) {
      controls_[static_cast<size_t>(Tier::kRunning)][s.control_row] = ControlHash(s.controlled->sampling);
    }
    if (slot.position > s.start || slot.position < s.start - s.undecided) {
      return absl::InternalError(absl::StrCat("sequence ", s.id, " goes on at ", s.start, " or up to ", s.undecided,
                                              " before, its slot is at ", slot.position));
    }
    if (decodes && s.num_tokens > config_.capacity.max_decode_rows) {
      return absl::InternalError(absl::StrCat("sequence ", s.id, " has a decode share of ", s.num_tokens, " rows"));
    }
    for (int32_t i = 0; i < s.num_tokens; ++i) {
      const auto row = static_cast<size_t>(i);
      const int32_t token = !decodes ? s.tokens[row] : i == 0 ? slot.last : s.drafts[row - 1];
      slot.hash = Extend(slot.hash, token);
      row_state_.push_back(slot.hash);
      row_hash_.push_back(config_.windows.empty() ? slot.hash : Attend(s, slot.position, slot.hash));
      ++slot.position;
    }
  }
  return absl::OkStatus();
}

std::vector<int32_t> FakeBackend::KeepRows(const BatchPlan& plan, const StepResult& result) {
  std::vector<int32_t> kept;
  size_t first = 0;  // of the share's rows, and of its samples
  for (int32_t i = 0; i < plan.num_decode; ++i) {
    const PlannedSequence& s = plan.sequences[static_cast<size_t>(i)];
    size_t keeps = 1;
    while (keeps <= s.drafts.size() && result.samples[first + keeps - 1].id == s.drafts[keeps - 1]) ++keeps;
    Slot& slot = slots_.at(static_cast<size_t>(s.slot));
    slot.hash = row_state_[first + keeps - 1];
    slot.last = std::max(result.samples[first + keeps - 1].id, 0);
    kept.push_back(static_cast<int32_t>(keeps));
    slot.position -= s.num_tokens - kept.back();
    first += static_cast<size_t>(s.num_tokens);
  }
  return kept;
}

absl::Status FakeBackend::Draw(const BatchPlan& plan) {
  StepResult result{.step = plan.step, .samples = {}};
  result.samples.reserve(plan.samples.size());
  for (const PlannedSample& sample : plan.samples) {
    uint64_t hash = row_hash_.at(static_cast<size_t>(sample.row));
    const bool draws = sample.target < 0;
    if (draws && sample.control_row >= 0) hash ^= controls_[static_cast<size_t>(Tier::kRunning)][sample.control_row];
    const int32_t id = !draws                         ? sample.target
                       : sample.constraint != nullptr ? DrawAllowed(config_, hash, sample)
                                                      : DrawFromHash(config_, hash, *sample.sampling);
    if (draws) slots_.at(static_cast<size_t>(sample.slot)).last = std::max(id, 0);
    TokenResult token{.id = id, .logprob = -0.5F, .rank = 1, .top = {}};
    for (int32_t i = 0; id >= 0 && i < sample.num_top; ++i) {
      token.top.push_back({.id = (id + i) % config_.vocab_size, .logprob = -0.5F - static_cast<float>(i)});
    }
    result.samples.push_back(std::move(token));
  }
  if (plan.decode_rows() > plan.num_decode) result.kept = KeepRows(plan, result);
  launched_.push_back({.ready = device_free_, .result = std::move(result)});
  return absl::OkStatus();
}

absl::StatusOr<StepResult> FakeBackend::Wait() {
  BATUCADA_CHECK(!launched_.empty(), "nothing was launched");
  Launched step = std::move(launched_.front());
  launched_.pop_front();
  if (config_.step_time > absl::ZeroDuration()) std::this_thread::sleep_until(step.ready);
  return std::move(step.result);
}

}  // namespace batucada
