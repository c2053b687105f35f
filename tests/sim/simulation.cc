#include "tests/sim/simulation.h"

#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "engine/schedule/drafter.h"
#include "tests/sim/abandon.h"

namespace batucada::sim {
namespace {

// Any number of any guesses, of sequences that run.
class AnyDrafts : public Drafter {
 public:
  AnyDrafts(Workload* workload, Referee* referee) : workload_(workload), referee_(referee) {}

  void OnAdmitted(SequenceId id, const Request& /*request*/) override {
    if (!running_.insert(id).second) referee_->Broke("drafts: somebody is admitted twice");
  }
  void OnDrawn(SequenceId id, std::span<const TokenResult> tokens, int32_t rows) override {
    if (!running_.contains(id) || tokens.empty() || static_cast<int32_t>(tokens.size()) > rows) {
      referee_->Broke("drafts: tokens are told of nobody, or none, or too many");
    }
  }
  void OnEnded(SequenceId id) override {
    if (running_.erase(id) == 0) referee_->Broke("drafts: the end of somebody who does not run");
  }
  void Draft(SequenceId id, int64_t /*position*/, int32_t /*undecided*/, int32_t most,
             std::vector<int32_t>* drafts) override {
    if (!running_.contains(id) || most < 1) referee_->Broke("drafts: none can be wanted");
    for (uint64_t count = workload_->Below(static_cast<uint64_t>(most) + 1); count > 0; --count) {
      drafts->push_back(static_cast<int32_t>(workload_->Below(kVocabulary)));
    }
  }

 private:
  Workload* const workload_;
  Referee* const referee_;
  absl::flat_hash_set<SequenceId> running_;
};

class Life {
 public:
  explicit Life(uint64_t seed)
      : workload_(seed), config_(workload_.config()), referee_(config_), drafter_(&workload_, &referee_) {
    if (config_.max_decode_rows > 1) config_.drafter = &drafter_;
    scheduler_ = std::make_unique<Scheduler>(config_);
  }

  Outcome Run(uint64_t steps) {
    while (outcome_.steps < steps && referee_.violation().empty()) {
      Arrive();
      if (workload_.Chance(0.05)) Cancel();
      if (workload_.Chance(0.0005)) Fail();
      if (workload_.Chance(0.0005)) Drain();
      Turn();
    }
    if (referee_.violation().empty()) Drain();
    const ParkingStats parking = scheduler_->stats().parking;
    outcome_.parked = parking.times_parked;
    outcome_.returned = parking.times_returned;
    if (!referee_.violation().empty()) Abandon(std::move(scheduler_));
    outcome_.violation = referee_.violation();
    outcome_.digest = referee_.digest();
    for (size_t i = 0; i < std::size(outcome_.ended); ++i) {
      outcome_.ended[i] = referee_.ended(static_cast<FinishReason>(i));
    }
    return outcome_;
  }

 private:
  void Arrive() {
    for (int i = workload_.Arrivals(); i > 0; --i) {
      const Request request = workload_.NextRequest(clock_.Now());
      for (int choices = workload_.Choices(); choices > 0; --choices) Add(request);
    }
  }

  void Add(const Request& request) {
    if (!scheduler_->Add(++last_id_, request, clock_.Now()).ok()) {
      ++outcome_.refused;
      return;
    }
    ++outcome_.accepted;
    referee_.OnAccepted(last_id_, request);
    promised_ += static_cast<int64_t>(request.prompt.size()) + request.max_tokens;
  }

  // Somebody who is there; sometimes somebody who is gone or never was.
  void Cancel() {
    const SequenceId id = referee_.alive() > 0 && workload_.Chance(0.9)
                              ? referee_.Alive(workload_.Below(referee_.alive()))
                              : workload_.Below(last_id_ + 10);
    const FinishReason reason = workload_.Chance(0.5) ? FinishReason::kCancelled : FinishReason::kOverrun;
    scheduler_->Cancel(id, reason, clock_.Now());
    Tell();
  }

  void Fail() {
    ++outcome_.failures;
    scheduler_->CancelAll(FinishReason::kError, clock_.Now(), "the device failed", /*abandon_steps=*/true);
    out_.clear();
    in_parts_.reset();
    referee_.OnAbandoned();
    Tell();
    promised_ = 0;
    referee_.OnStats(scheduler_->stats());
  }

  // Nobody new, until all have ended: in no more turns than there is work.
  void Drain() {
    ++outcome_.drains;
    // Who is parked comes back by a step that may compute nothing.
    int64_t turns = 2 * promised_ + 100 + 4 * config_.parking.most_times * static_cast<int64_t>(referee_.alive());
    while ((referee_.alive() > 0 || !out_.empty() || in_parts_) && referee_.violation().empty()) {
      if (turns-- <= 0) return referee_.Broke("drain: it does not end");
      Turn();
    }
    promised_ = 0;
  }

  // Plans if there is room for a step in flight, and commits some of those that are out.
  void Turn() {
    std::optional<BatchPlan> plan = scheduler_->Plan(clock_.Now());
    const bool room =
        static_cast<int32_t>(out_.size()) < workload_.config().max_steps_in_flight && !referee_.AwaitsDrafts();
    Tell();  // deadlines
    const bool planned = plan.has_value();
    if (plan) {
      ++outcome_.steps;
      referee_.OnPlan(*plan, clock_.Now());
      if (plan->in_parts) {
        in_parts_ = std::move(plan);
      } else {
        out_.push_back(*std::move(plan));
      }
    } else {
      referee_.OnNoPlan(!out_.empty() || in_parts_.has_value(), clock_.Now());
    }
    referee_.OnStats(scheduler_->stats(), /*planned=*/room);
    if (in_parts_ && ((!planned && out_.empty()) || workload_.Chance(0.3))) {
      out_.push_back(*std::exchange(in_parts_, std::nullopt));
      scheduler_->PartsLaunched();
      referee_.OnPartsLaunched();
    }
    const bool full = static_cast<int32_t>(out_.size()) >= workload_.config().max_steps_in_flight;
    if (!out_.empty() && (full || !planned || workload_.Chance(0.5))) Commit();
    referee_.OnStats(scheduler_->stats());
  }

  void Commit() {
    const BatchPlan plan = std::move(out_.front());
    out_.pop_front();
    StepResult result{.step = plan.step, .samples = {}};
    result.samples.reserve(plan.samples.size());
    for (const PlannedSample& sample : plan.samples) {
      const int32_t id = sample.target >= 0 ? sample.target : workload_.Draw();
      result.samples.push_back({.id = id, .logprob = -1, .rank = 1, .top = {}});
    }
    if (plan.decode_rows() > plan.num_decode) Keep(plan, result);
    clock_.Advance(workload_.StepTime());
    referee_.OnResult(result);
    scheduler_->Commit(result, clock_.Now());
    Tell();
  }

  // Most drafts turn out to be right.
  void Keep(const BatchPlan& plan, StepResult& result) {
    size_t row = 0;
    for (int32_t i = 0; i < plan.num_decode; ++i) {
      const PlannedSequence& share = plan.sequences[static_cast<size_t>(i)];
      size_t kept = 1;
      for (; kept <= share.drafts.size(); ++kept) {
        int32_t& id = result.samples[row + kept - 1].id;
        if (id != kNothingDrawn && workload_.Chance(0.7)) id = share.drafts[kept - 1];
        if (id != share.drafts[kept - 1]) break;
      }
      result.kept.push_back(static_cast<int32_t>(kept));
      outcome_.kept += kept - 1;
      outcome_.rejected += static_cast<uint64_t>(share.num_tokens) - kept;
      row += static_cast<size_t>(share.num_tokens);
    }
  }

  void Tell() {
    for (const SequenceEvent& event : scheduler_->TakeEvents()) referee_.OnEvent(event);
  }

  Workload workload_;
  SchedulerConfig config_;
  ManualClock clock_;
  Referee referee_;
  AnyDrafts drafter_;
  std::unique_ptr<Scheduler> scheduler_;
  std::deque<BatchPlan> out_;          // planned, not committed
  std::optional<BatchPlan> in_parts_;  // likewise, and not launched to its end
  SequenceId last_id_ = 0;
  int64_t promised_ = 0;  // tokens of those accepted since nobody was there
  Outcome outcome_;
};

}  // namespace

Outcome Simulate(uint64_t seed, uint64_t steps) { return Life(seed).Run(steps); }

}  // namespace batucada::sim
