#include "tests/sim/parking_simulation.h"

#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
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

namespace batucada::sim {
namespace {

constexpr int64_t kMostTokens = 300;  // of a text
constexpr int32_t kIds = 6;           // few, so that texts meet by chance too

class ParkingLife {
 public:
  ParkingLife(uint64_t seed, ParkingFault fault) : random_(seed), fault_(fault) {
    MakeConfig();
    if (fake_.capacity.max_decode_rows > 1) {
      drafter_ = std::make_unique<KnowingDrafter>(fake_, seed);
      config_.drafter = drafter_.get();
    }
    backend_ = std::make_unique<FakeBackend>(fake_);
    scheduler_ = std::make_unique<Scheduler>(config_);
  }

  ParkingOutcome Run(uint64_t steps) {
    while (outcome_.steps < steps && outcome_.violation.empty()) {
      if (Chance(arrivals_)) Arrive();
      if (Chance(0.03) && !alive_.empty()) Cancel();
      if (Chance(0.002)) Fail();
      if (Chance(0.002)) Drain();
      if (Chance(0.02)) arrivals_ = Chance(0.3) ? 0 : Chance(0.5) ? 0.1 : 0.8;
      Turn();
    }
    Drain();
    const ParkingStats parking = scheduler_->stats().parking;
    outcome_.parked = parking.times_parked;
    outcome_.returned = parking.times_returned;
    if (!outcome_.violation.empty()) Abandon(std::move(scheduler_));
    return outcome_;
  }

 private:
  struct Life {
    std::vector<int32_t> text;  // prompt and answer so far
    SamplingParams sampling;
    absl::Time deadline;
  };

  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool Chance(double probability) { return std::bernoulli_distribution(probability)(random_); }
  void Broke(const std::string& what) {
    if (outcome_.violation.empty()) outcome_.violation = what;
  }

  void MakeConfig() {
    const int32_t block_tokens = 8 << Below(2);
    config_.slots = static_cast<int32_t>(1 + Below(6));
    config_.control_rows = static_cast<int32_t>(1 + Below(static_cast<uint64_t>(config_.slots)));
    config_.max_batch_tokens = config_.slots + static_cast<int32_t>(8 + Below(120));
    config_.max_steps_in_flight = static_cast<int32_t>(1 + Below(3));
    config_.block_tokens = block_tokens;
    PrefixCacheConfig cache;
    cache.device.slots = static_cast<int32_t>(1 + Below(8));
    cache.host.slots = Chance(0.5) ? static_cast<int32_t>(1 + Below(8)) : 0;
    cache.least_tokens = static_cast<int64_t>(1 + Below(20));
    cache.worth_waiting = static_cast<int64_t>(1 + Below(60));
    ParkingBounds& parking = config_.parking;
    parking.room.slots = static_cast<int32_t>(1 + Below(4));
    parking.most_times = static_cast<int32_t>(1 + Below(6));
    parking.most_time = absl::Milliseconds(static_cast<int64_t>(1 + Below(400)));
    for (uint64_t groups = Below(3); groups > 0; --groups) {
      const bool grows = Chance(0.5);
      const auto whole = static_cast<int32_t>(BlocksOf(kMostTokens, block_tokens));
      const int64_t window = grows ? kMostTokens : static_cast<int64_t>(1 + Below(60));
      const auto most = grows ? whole : static_cast<int32_t>(RingBlocks(window, block_tokens));
      const int32_t blocks = most + static_cast<int32_t>(Below(static_cast<uint64_t>(config_.slots * most)));
      config_.kv.push_back({.blocks = blocks, .most_per_sequence = most, .grows = grows});
      fake_.windows.push_back(window);
      cache.device.blocks.push_back(grows ? 0 : most * cache.device.slots);
      cache.host.blocks.push_back(most * cache.host.slots);
      parking.room.blocks.push_back(most * static_cast<int32_t>(1 + Below(4)));
    }
    if (Chance(0.5)) config_.prefix_cache = cache;
    config_.max_decode_rows = Chance(0.5) ? 1 : 1 + static_cast<int32_t>(Below(8));
    if (Chance(0.5)) config_.max_drafts = static_cast<int32_t>(Below(40));
    config_.awaits_drafts = Chance(0.5);
    config_.cuts_steps = Chance(0.5);
    fake_.capacity = {.slots = config_.slots,
                      .control_rows = config_.control_rows,
                      .kv = config_.kv,
                      .block_tokens = block_tokens,
                      .prefix = cache.device,
                      .host = cache.host,
                      .parked = parking.room,
                      .max_steps_in_flight = config_.max_steps_in_flight,
                      .max_decode_rows = config_.max_decode_rows,
                      .max_drafts = config_.max_drafts};
    fake_.vocab_size = kIds;
  }

  void Arrive() {
    Life life{.text = {}, .sampling = {.temperature = Chance(0.5) ? 0.0F : 1.0F, .seed = Below(1000)}, .deadline = {}};
    if (!texts_.empty() && Chance(0.5)) life.text = texts_[Below(texts_.size())];
    if (life.text.size() > 200) life.text.resize(1 + Below(20));
    for (uint64_t more = 1 + Below(Chance(0.2) ? 60 : 10); more > 0; --more) {
      life.text.push_back(static_cast<int32_t>(Below(kIds)));
    }
    if (Chance(0.3)) life.sampling.presence_penalty = static_cast<float>(1 + Below(100)) / 100;
    life.deadline =
        Chance(0.1) ? clock_.Now() + absl::Milliseconds(static_cast<int64_t>(Below(300))) : absl::InfiniteFuture();
    const Request request{
        .prompt = life.text,
        .sampling = life.sampling,
        .max_tokens = static_cast<int64_t>(1 + Below(40)),
        .priority = Chance(0.3) ? -1 - static_cast<Priority>(Below(2)) : static_cast<Priority>(Below(3)),
        .client = Below(3),
        .deadline = life.deadline};
    if (!scheduler_->Add(++last_id_, request, clock_.Now()).ok()) return;
    alive_.emplace(last_id_, std::move(life));
  }

  // Somebody; more often one that is parked.
  void Cancel() {
    SequenceId id = std::next(alive_.begin(), static_cast<std::ptrdiff_t>(Below(alive_.size())))->first;
    if (!parked_.empty() && Chance(0.5)) {
      id = *std::next(parked_.begin(), static_cast<std::ptrdiff_t>(Below(parked_.size())));
    }
    scheduler_->Cancel(id, FinishReason::kCancelled, clock_.Now());
    Tell();
  }

  void Fail() {
    ++outcome_.failures;
    scheduler_->CancelAll(FinishReason::kError, clock_.Now(), "the device failed", /*abandon_steps=*/true);
    out_.clear();
    late_.clear();
    backend_->LoseDevice();
    Tell();
    CheckNothingIsLeft();
  }

  void Drain() {
    ++outcome_.drains;
    for (int turns = 0; outcome_.violation.empty() && (!scheduler_->idle() || !out_.empty()); ++turns) {
      if (turns > 100'000) Broke("it does not end");
      Turn();
    }
    CheckNothingIsLeft();
  }

  void Plant(BatchPlan& plan) {
    PlannedCopies& c = plan.copies;
    const auto parked = [](const PageCopy& copy) { return copy.to.tier == Tier::kParked; };
    const auto returned = [](const PageCopy& copy) { return copy.from.tier == Tier::kParked; };
    const auto drop = [](std::vector<PageCopy>& from, auto which) { std::erase_if(from, which); };
    switch (fault_) {
      case ParkingFault::kNone:
      case ParkingFault::kDiscardedMore: break;  // see Idle
      case ParkingFault::kCopiedLate:
        for (const PageCopy& copy : c.ended) {
          if (parked(copy)) c.saved.push_back(copy);
        }
        drop(c.ended, parked);
        break;
      case ParkingFault::kWrongSlot:
        for (PageCopy& copy : c.ended) {
          if (parked(copy) && copy.group == kSlots) copy.from.page = (copy.from.page + 1) % config_.slots;
        }
        break;
      case ParkingFault::kLostBlocks:
        drop(c.ended, [&](const PageCopy& copy) { return parked(copy) && copy.group >= 0; });
        break;
      case ParkingFault::kLostControls:
        drop(c.ended, [&](const PageCopy& copy) { return parked(copy) && copy.group == kControls; });
        break;
      case ParkingFault::kSamePlace:
        for (PageCopy& copy : c.ended) {
          if (parked(copy)) copy.to.page = 0;
        }
        break;
      case ParkingFault::kOtherReturned:
        for (PageCopy& copy : c.moved) {
          if (returned(copy) && copy.group == kSlots) {
            copy.from.page = (copy.from.page + 1) % config_.parking.room.slots;
          }
        }
        break;
      case ParkingFault::kReturnedInPart:
        drop(c.moved, [&](const PageCopy& copy) { return returned(copy) && copy.group >= 0; });
        break;
      case ParkingFault::kReturnedLate:
        c.saved.insert(c.saved.end(), late_.begin(), late_.end());
        late_.clear();
        std::copy_if(c.moved.begin(), c.moved.end(), std::back_inserter(late_), returned);
        drop(c.moved, returned);
        break;
    }
  }

  // Some of the parts of the plan in parts.
  void LaunchParts() {
    const auto parts = static_cast<int32_t>(1 + Below(4));
    if (const absl::Status launched = out_.LaunchParts(parts, *backend_, *scheduler_); !launched.ok())
      Broke(launched.ToString());
  }

  // Nothing happens for some seconds; memory that nobody uses is given back.
  void Idle() {
    for (uint64_t looks = 1 + Below(4); looks > 0; --looks) {
      clock_.Advance(absl::Milliseconds(static_cast<int64_t>(Below(1500))));
      while (std::optional<PoolPages> pages = scheduler_->idle_pages().Take(clock_.Now())) {
        const int32_t slots = pages->tier == Tier::kRunning ? config_.slots : config_.parking.room.slots;
        const bool more = fault_ == ParkingFault::kDiscardedMore && pages->group == kSlots &&
                          pages->pages.first + pages->pages.count < slots;
        if (more) ++pages->pages.count;
        backend_->Discard(*pages);
        outcome_.discarded += static_cast<uint64_t>(pages->pages.count);
      }
    }
  }

  void Turn() {
    if (out_.empty() && Chance(0.02)) Idle();
    std::optional<BatchPlan> plan = scheduler_->Plan(clock_.Now());
    Tell();
    const bool planned = plan.has_value();
    if (plan) {
      ++outcome_.steps;
      for (const Placement& placement : plan->placements) Note(placement);
      Plant(*plan);
      const bool in_parts = plan->in_parts;
      if (const absl::Status launched = out_.Launch(*std::move(plan), *backend_); !launched.ok())
        return Broke(launched.ToString());
      if (in_parts) LaunchParts();
    } else if (out_.empty() && !alive_.empty()) {
      return Broke(absl::StrCat(alive_.size(), " are alive and nothing is planned"));
    }
    if (out_.in_parts && ((!planned && out_.launched.empty()) || Chance(0.3))) LaunchParts();
    const bool full = static_cast<int32_t>(out_.launched.size()) >= config_.max_steps_in_flight;
    if (!out_.launched.empty() && (full || !planned || Chance(0.5))) {
      const absl::StatusOr<StepResult> result = backend_->Wait();
      out_.launched.pop_front();
      clock_.Advance(absl::Milliseconds(1));
      scheduler_->Commit(*result, clock_.Now());
      Tell();
    }
  }

  void Note(const Placement& placement) {
    outcome_.digest = FnvStep(FnvStep(outcome_.digest, placement.id), static_cast<uint64_t>(placement.kind));
    if (!alive_.contains(placement.id)) return Broke(absl::StrCat(placement.id, " has places and is not alive"));
    if (placement.kind == Placement::Kind::kParked) parked_.insert(placement.id);
    if (placement.kind == Placement::Kind::kReturned) parked_.erase(placement.id);
  }

  void Tell() {
    for (const SequenceEvent& event : scheduler_->TakeEvents()) {
      const auto found = alive_.find(event.id);
      if (found == alive_.end()) return Broke(absl::StrCat(event.id, " has an event and is not alive"));
      Life& life = found->second;
      if (event.token) {
        const int32_t undisturbed = FakeBackend::Draw(fake_, life.text, life.sampling);
        if (event.token->id != undisturbed) {
          return Broke(absl::StrCat(event.id, " draws ", event.token->id, " after ", life.text.size(), " tokens, not ",
                                    undisturbed));
        }
        life.text.push_back(undisturbed);
      }
      if (!event.finish) continue;
      ++outcome_.answers;
      outcome_.ended_parked += parked_.erase(event.id);
      texts_.push_back(std::move(life.text));
      if (texts_.size() > 20) texts_.pop_front();
      alive_.erase(found);
    }
    for (const auto& [id, life] : alive_) {
      if (life.deadline < clock_.Now() - absl::Milliseconds(1)) Broke(absl::StrCat(id, " lives past its deadline"));
    }
  }

  void CheckNothingIsLeft() {
    if (!outcome_.violation.empty()) return;
    const SchedulerStats s = scheduler_->stats();
    if (s.running + s.slots_used + s.blocks_used + s.control_rows_used + s.parking.parked + s.parking.blocks[0] != 0) {
      Broke(absl::StrCat("a leak: ", s.slots_used, " slots, ", s.blocks_used, " blocks and ", s.control_rows_used,
                         " control rows are used, ", s.parking.parked, " are parked"));
    }
    if (!parked_.empty()) Broke("somebody is parked and gone");
  }

  std::mt19937_64 random_;
  const ParkingFault fault_;
  ManualClock clock_;
  SchedulerConfig config_{.max_waiting = 30};
  FakeBackendConfig fake_;
  std::unique_ptr<KnowingDrafter> drafter_;
  std::unique_ptr<FakeBackend> backend_;
  std::unique_ptr<Scheduler> scheduler_;
  PlansOut out_;
  std::vector<PageCopy> late_;  // see kReturnedLate
  std::map<SequenceId, Life> alive_;
  std::set<SequenceId> parked_;
  std::deque<std::vector<int32_t>> texts_;
  SequenceId last_id_ = 0;
  double arrivals_ = 0.5;
  ParkingOutcome outcome_;
};

}  // namespace

ParkingOutcome SimulateParking(uint64_t seed, uint64_t steps, ParkingFault fault) {
  return ParkingLife(seed, fault).Run(steps);
}

}  // namespace batucada::sim
