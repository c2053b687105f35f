#include "tests/sim/prefix_simulation.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/fnv.h"
#include "engine/run/fake_backend.h"
#include "engine/schedule/scheduler.h"
#include "tests/sim/abandon.h"
#include "tests/sim/knowing_drafter.h"
#include "tests/sim/plans_out.h"
#include "tests/sim/simulated_disk.h"
#include "tests/sim/told_prefixes.h"

namespace batucada::sim {
namespace {

constexpr int64_t kMostTokens = 400;  // of a text
constexpr int32_t kIds = 6;           // few, so that texts meet by chance too

class PrefixLife {
 public:
  PrefixLife(uint64_t seed, Fault fault)
      : random_(seed), idles_(seed % 3 == 2), idle_random_(seed), fault_(fault), told_(ToldMistake()) {
    MakeConfig();
    if (fake_.capacity.max_decode_rows > 1) {
      drafter_ = std::make_unique<KnowingDrafter>(fake_, seed);
      config_.drafter = drafter_.get();
    }
    Begin();
  }

  PrefixOutcome Run(uint64_t steps) {
    while (outcome_.steps < steps && outcome_.violation.empty()) {
      if (Chance(arrivals_)) Arrive();
      if (Chance(0.02) && !alive_.empty()) Cancel();
      if (Chance(0.002)) Fail();
      if (with_disk_ && Chance(0.004)) Restart();
      // A disk that takes too long.
      if (scheduler_->awaits_disk() && Chance(0.02)) clock_.Advance(absl::Seconds(3));
      if (Chance(0.01)) arrivals_ = Chance(0.3) ? 0 : Chance(0.5) ? 0.1 : 0.8;
      Turn();
    }
    for (int turns = 0; outcome_.violation.empty() && (!scheduler_->idle() || !out_.empty()); ++turns) {
      if (turns > 100'000) Broke("it does not end");
      Turn();
    }
    CheckNothingIsLeft();
    if (!outcome_.violation.empty()) Abandon(std::move(scheduler_));
    if (drafter_ != nullptr) outcome_.kept = drafter_->kept(), outcome_.rejected = drafter_->rejected();
    return outcome_;
  }

 private:
  struct Life {
    std::string scope;
    std::vector<int32_t> text;  // prompt and answer so far
    SamplingParams sampling;
  };

  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool Chance(double probability) { return std::bernoulli_distribution(probability)(random_); }
  void Broke(const std::string& what) {
    if (outcome_.violation.empty()) outcome_.violation = what;
  }

  void Begin() {
    if (with_disk_) {
      disk_ = std::make_unique<SimulatedDisk>(content_, Below(~uint64_t{0}), most_records_, Mistake());
      config_.prefix_cache->disk = disk_.get();
    }
    backend_ = std::make_unique<FakeBackend>(fake_);
    if (with_disk_) disk_->Use(backend_.get());
    scheduler_ = std::make_unique<Scheduler>(config_);
  }

  // The process is killed, and another begins: all is gone but what is on the disk.
  void Restart() {
    ++outcome_.restarts;
    before_ = outcome_;
    alive_.clear();
    out_.clear();
    scheduler_.reset();
    told_.Restart();
    Begin();
  }

  SimulatedDisk::Mistake Mistake() const {
    switch (fault_) {
      case Fault::kDiskReadsLate: return SimulatedDisk::Mistake::kReadsLate;
      case Fault::kDiskWritesLate: return SimulatedDisk::Mistake::kWritesLate;
      case Fault::kDiskOtherRecord: return SimulatedDisk::Mistake::kOtherRecord;
      case Fault::kDiskMovesOther: return SimulatedDisk::Mistake::kMovesOther;
      default: return SimulatedDisk::Mistake::kNone;
    }
  }

  ToldPrefixes::Mistake ToldMistake() const {
    if (fault_ == Fault::kUntold) return ToldPrefixes::Mistake::kUntold;
    return fault_ == Fault::kNotGone ? ToldPrefixes::Mistake::kNotGone : ToldPrefixes::Mistake::kNone;
  }

  void MakeConfig() {
    const int32_t block_tokens = 8 << Below(2);
    config_.slots = static_cast<int32_t>(1 + Below(8));
    config_.max_batch_tokens = config_.slots + static_cast<int32_t>(8 + Below(120));
    config_.max_steps_in_flight = static_cast<int32_t>(1 + Below(3));
    config_.block_tokens = block_tokens;
    PrefixCacheConfig cache;
    cache.device.slots = static_cast<int32_t>(1 + Below(12));
    cache.host.slots = Chance(0.6) ? static_cast<int32_t>(1 + Below(30)) : 0;
    for (uint64_t groups = Below(3); groups > 0; --groups) {
      const bool grows = Chance(0.5);
      const auto whole = static_cast<int32_t>(BlocksOf(kMostTokens, block_tokens));
      const int64_t window = grows ? kMostTokens : static_cast<int64_t>(1 + Below(60));
      const auto most = grows ? whole : static_cast<int32_t>(RingBlocks(window, block_tokens));
      // At least what the largest needs; a growing group's are the cache's, too, as long as nobody needs them.
      const int32_t blocks = most + static_cast<int32_t>(Below(static_cast<uint64_t>(config_.slots * most)));
      config_.kv.push_back({.blocks = blocks, .most_per_sequence = most, .grows = grows});
      fake_.windows.push_back(window);
      cache.device.blocks.push_back(grows ? 0 : most * static_cast<int32_t>(1 + Below(12)));
      cache.host.blocks.push_back(most * static_cast<int32_t>(1 + Below(12)));
    }
    cache.least_tokens = static_cast<int64_t>(1 + Below(20));
    cache.worth_waiting = static_cast<int64_t>(1 + Below(60));
    cache.ladder_tokens = static_cast<int64_t>(20 + Below(300));
    cache.most_cuts = static_cast<int32_t>(Below(5));
    cache.most_per_path = static_cast<int32_t>(1 + Below(10));
    cache.most_moves = static_cast<int32_t>(1 + Below(3));
    cache.most_ids = static_cast<int64_t>(2'000 + Below(60'000));
    with_disk_ = cache.host.slots > 0 && Chance(0.7);
    most_records_ = 1 + Below(60);
    cache.watched = true;
    config_.prefix_cache = cache;
    config_.max_decode_rows = Chance(0.5) ? 1 : 1 + static_cast<int32_t>(Below(8));
    if (Chance(0.5)) config_.max_drafts = static_cast<int32_t>(Below(40));
    config_.awaits_drafts = Chance(0.5);
    config_.cuts_steps = Chance(0.5);
    fake_.capacity = {.slots = config_.slots,
                      .kv = config_.kv,
                      .block_tokens = block_tokens,
                      .prefix = cache.device,
                      .host = cache.host,
                      .max_steps_in_flight = config_.max_steps_in_flight,
                      .max_decode_rows = config_.max_decode_rows,
                      .max_drafts = config_.max_drafts};
    fake_.vocab_size = kIds;
  }

  // A text that was there before, whole or its beginning, and something new; or all new.
  void Arrive() {
    Life life{.scope = Chance(0.7) ? "a" : "b", .text = {}, .sampling = {.temperature = 0}};
    if (!texts_.empty() && Chance(0.8)) {
      const auto& [scope, text] = texts_[Below(texts_.size())];
      const size_t take = Chance(0.6) ? text.size() : 1 + Below(text.size());
      life.text.assign(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(take));
      if (Chance(0.8)) life.scope = scope;
    }
    if (life.text.size() > kMostTokens - 40) life.text.resize(1 + Below(20));
    for (uint64_t more = Below(Chance(0.2) ? 200 : 20); more > 0 && life.text.size() < kMostTokens - 40; --more) {
      life.text.push_back(static_cast<int32_t>(Below(kIds)));
    }
    if (life.text.empty()) life.text.push_back(0);
    Request request{.prompt = life.text, .sampling = life.sampling, .max_tokens = static_cast<int64_t>(1 + Below(40))};
    request.cache_scope = fault_ == Fault::kNoScope ? "" : life.scope;
    std::vector<int64_t> named;
    for (size_t at = 1 + Below(30); at < life.text.size(); at += 1 + Below(60))
      named.push_back(static_cast<int64_t>(at));
    request.checkpoints = named;
    request.priority = Chance(0.1) ? 1 : 0;
    for (uint64_t choices = Chance(0.2) ? 1 + Below(6) : 1; choices > 0; --choices) {
      if (!scheduler_->Add(++last_id_, request, clock_.Now()).ok()) continue;
      alive_.emplace(last_id_, life);
      Remember(life);
    }
  }

  // The hash of every beginning of a text.
  static std::vector<uint64_t> Beginnings(const std::vector<int32_t>& text) {
    std::vector<uint64_t> hashes;
    uint64_t hash = kFnvBasis;
    for (const int32_t id : text) hashes.push_back(hash = FnvStep(hash, static_cast<uint64_t>(id + 1)));
    return hashes;
  }

  void Remember(const Life& life) {
    for (const uint64_t hash : Beginnings(life.text)) ++seen_[life.scope][hash];
    texts_.emplace_back(life.scope, life.text);
    if (texts_.size() > 60) texts_.pop_front();
  }

  // What steps in flight draw for a text that was cut short is told to nobody, and saved with it.
  void NoteUntold(Life life) {
    size_t told = life.text.size();
    for (int32_t i = 0; i < config_.max_steps_in_flight * config_.max_decode_rows; ++i) {
      life.text.push_back(FakeBackend::Draw(fake_, life.text, life.sampling));
    }
    const std::vector<uint64_t> beginnings = Beginnings(life.text);
    for (; told < beginnings.size(); ++told) ++seen_[life.scope][beginnings[told]];
  }

  // The longest beginning of a text that its scope has seen besides the text itself.
  int64_t Seen(const Life& life) {
    int64_t length = 0;
    for (const uint64_t hash : Beginnings(life.text)) {
      if (seen_[life.scope][hash] < 2) break;
      ++length;
    }
    return length;
  }

  void Cancel() {
    auto who = alive_.begin();
    std::advance(who, static_cast<std::ptrdiff_t>(Below(alive_.size())));
    scheduler_->Cancel(who->first, FinishReason::kCancelled, clock_.Now());
    Tell();
  }

  // The results of what is in flight never come; what it was to write must count as never written.
  void Fail() {
    ++outcome_.failures;
    scheduler_->CancelAll(FinishReason::kError, clock_.Now(), "the device failed", /*abandon_steps=*/true);
    out_.clear();
    backend_->LoseDevice();
    Tell();
  }

  void Plant(BatchPlan& plan) {
    PlannedCopies& c = plan.copies;
    switch (fault_) {
      case Fault::kSavedEarly:
        c.restored.insert(c.restored.end(), c.saved.begin(), c.saved.end());
        c.saved.clear();
        break;
      case Fault::kWrongSlot:
        for (PageCopy& copy : c.saved) {
          if (copy.group == kSlots) copy.from.page = (copy.from.page + 1) % config_.slots;
        }
        break;
      case Fault::kAliasedSlot:
        for (PageCopy& copy : c.saved) {
          if (copy.group == kSlots) copy.to.page = 0;
        }
        break;
      case Fault::kLostBlock:
        std::erase_if(c.restored, [](const PageCopy& copy) { return copy.group != kSlots; });
        break;
      case Fault::kLostMove: std::erase_if(c.moved, [](const PageCopy& copy) { return copy.group != kSlots; }); break;
      case Fault::kRestoreFirst: std::swap(c.restored, c.ended); break;
      case Fault::kStateAhead: PlantStateAhead(plan); break;
      default: break;
    }
  }

  // What the step leaves in the slots before anything is rejected is put aside, and back before the next step.
  void PlantStateAhead(BatchPlan& plan) {
    constexpr PageId kAside = 1000;  // beyond all pages of checkpoints
    std::swap(plan.copies.ended, ahead_);
    plan.copies.ended.insert(plan.copies.ended.end(), ahead_.begin(), ahead_.end());
    ahead_.clear();
    for (int32_t i = 0; i < plan.num_decode; ++i) {
      const PlannedSequence& s = plan.sequences[static_cast<size_t>(i)];
      if (s.drafts.empty()) continue;
      const PageRef slot{Tier::kRunning, s.slot}, aside{Tier::kDevice, kAside + s.slot};
      plan.copies.saved.push_back({.from = slot, .to = aside});
      ahead_.push_back({.from = aside, .to = slot});
    }
  }

  void Plant(const BatchPlan& plan, StepResult& result) {
    if (fault_ != Fault::kRowTooMany && fault_ != Fault::kRowTooFew) return;
    for (size_t i = 0; i < result.kept.size(); ++i) {
      const int32_t rows = plan.sequences[i].num_tokens;
      int32_t& kept = result.kept[i];
      kept = fault_ == Fault::kRowTooMany ? std::min(kept + 1, rows) : std::max(kept - 1, 1);
    }
  }

  // Some of the parts of the plan in parts.
  void LaunchParts() {
    const auto parts = static_cast<int32_t>(1 + Below(4));
    if (const absl::Status launched = out_.LaunchParts(parts, *backend_, *scheduler_); !launched.ok())
      Broke(launched.ToString());
  }

  // Now and then in one life of three: nothing happens for some seconds, and memory that nobody uses is given back.
  void Idle() {
    for (int looks = 0; looks < 3; ++looks) {
      clock_.Advance(absl::Milliseconds(static_cast<int64_t>(idle_random_() % 1500)));
      while (const std::optional<PoolPages> pages = scheduler_->idle_pages().Take(clock_.Now())) {
        backend_->Discard(*pages);
        outcome_.discarded += static_cast<uint64_t>(pages->pages.count);
      }
    }
  }

  void Turn() {
    if (idles_ && out_.empty() && idle_random_() % 8 == 0) Idle();
    if (disk_ != nullptr) disk_->Tick();
    TakeTold();
    std::optional<BatchPlan> plan = scheduler_->Plan(clock_.Now());
    Tell();
    const bool planned = plan.has_value();
    if (plan) {
      ++outcome_.steps;
      Plant(*plan);
      const bool in_parts = plan->in_parts;
      if (const absl::Status launched = out_.Launch(*std::move(plan), *backend_); !launched.ok())
        return Broke(launched.ToString());
      if (in_parts) LaunchParts();
    } else if (out_.empty() && !alive_.empty() && !scheduler_->awaits_disk()) {
      return Broke(absl::StrCat(alive_.size(), " are alive and nothing is planned"));
    }
    if (out_.in_parts && ((!planned && out_.launched.empty()) || Chance(0.3))) LaunchParts();
    const bool full = static_cast<int32_t>(out_.launched.size()) >= config_.max_steps_in_flight;
    if (!out_.launched.empty() && (full || !planned || Chance(0.5))) {
      absl::StatusOr<StepResult> result = backend_->Wait();
      Plant(out_.launched.front(), *result);
      out_.launched.pop_front();
      clock_.Advance(absl::Milliseconds(1));
      scheduler_->Commit(*result, clock_.Now());
      Tell();
    }
    Count();
  }

  void Tell() {
    for (const SequenceEvent& event : scheduler_->TakeEvents()) {
      const auto found = alive_.find(event.id);
      if (found == alive_.end()) return Broke(absl::StrCat(event.id, " has an event and is not alive"));
      Life& life = found->second;
      if (event.token) {
        const int32_t cold = FakeBackend::Draw(fake_, life.text, life.sampling);
        if (event.token->id != cold) {
          return Broke(
              absl::StrCat(event.id, " draws ", event.token->id, " after ", life.text.size(), " tokens, not ", cold));
        }
        life.text.push_back(cold);
      }
      if (!event.finish) continue;
      ++outcome_.answers;
      if (const int64_t seen = Seen(life); event.finish->cached_tokens > seen) {
        Broke(absl::StrCat(event.id, " goes on from ", event.finish->cached_tokens, " tokens; its scope saw ", seen));
      }
      if (!WasTold(life, event.finish->cached_tokens)) {
        Broke(
            absl::StrCat(event.id, " goes on from ", event.finish->cached_tokens, " tokens; nobody was told of them"));
      }
      Remember(life);
      if (event.finish->reason != FinishReason::kStop && event.finish->reason != FinishReason::kLength)
        NoteUntold(life);
      alive_.erase(found);
    }
  }

  void TakeTold() {
    if (const std::string wrong = told_.Take(*scheduler_->prefix()); !wrong.empty()) return Broke(wrong);
    if (!out_.empty()) return;  // what steps in flight write is stored, and not yet kept
    const PrefixCacheStats stats = *scheduler_->prefix_stats();
    const int64_t least = std::max(stats.device_stored, stats.host_stored),
                  most = stats.device_stored + stats.host_stored;
    if (told_.now() < least || (!with_disk_ && told_.now() > most)) {
      Broke(absl::StrCat(told_.now(), " checkpoints were told, ", stats.device_stored, " are on the device and ",
                         stats.host_stored, " on the host"));
    }
  }

  bool WasTold(const Life& life, int64_t tokens) const {
    if (tokens == 0 || fault_ == Fault::kNoScope) return true;
    return told_.WasTold(life.scope, {life.text.begin(), life.text.begin() + static_cast<std::ptrdiff_t>(tokens)});
  }

  void Count() {
    const PrefixCacheStats stats = *scheduler_->prefix_stats();
    outcome_.hits = before_.hits + stats.hits;
    outcome_.host_hits = before_.host_hits + stats.host_hits;
    outcome_.disk_hits = before_.disk_hits + stats.disk_hits;
    outcome_.moved = before_.moved + (disk_ == nullptr ? 0 : disk_->stats().moved);
    outcome_.waits = before_.waits + stats.waits;
    outcome_.evictions = before_.evictions + stats.device_evictions;
    outcome_.host_evictions = before_.host_evictions + stats.host_evictions;
    if (stats.device_stored > stats.device_capacity || stats.host_stored > stats.host_capacity) Broke("more than fits");
  }

  void CheckNothingIsLeft() {
    if (!outcome_.violation.empty()) return;
    const SchedulerStats stats = scheduler_->stats();
    if (stats.running != 0 || stats.slots_used != 0 || stats.blocks_used != 0) {
      Broke(absl::StrCat("a leak: ", stats.slots_used, " slots and ", stats.blocks_used, " blocks are used"));
    }
  }

  std::mt19937_64 random_;
  const bool idles_;
  std::mt19937_64 idle_random_;  // its own, so that the other lives are what they would be without
  const Fault fault_;
  ToldPrefixes told_;
  ManualClock clock_;
  SchedulerConfig config_{.max_waiting = 1000};
  FakeBackendConfig fake_;
  bool with_disk_ = false;
  size_t most_records_ = 0;
  DiskContent content_;
  std::unique_ptr<KnowingDrafter> drafter_;
  std::unique_ptr<FakeBackend> backend_;
  std::unique_ptr<SimulatedDisk> disk_;
  std::unique_ptr<Scheduler> scheduler_;
  PlansOut out_;
  std::vector<PageCopy> ahead_;  // see PlantStateAhead
  std::map<SequenceId, Life> alive_;
  std::deque<std::pair<std::string, std::vector<int32_t>>> texts_;
  std::map<std::string, std::unordered_map<uint64_t, int32_t>> seen_;  // by scope: beginnings, and how often
  SequenceId last_id_ = 0;
  double arrivals_ = 0.5;
  PrefixOutcome outcome_;
  PrefixOutcome before_;  // what the counts were when the process that runs began
};

}  // namespace

PrefixOutcome SimulatePrefixes(uint64_t seed, uint64_t steps, Fault fault) {
  return PrefixLife(seed, fault).Run(steps);
}

}  // namespace batucada::sim
