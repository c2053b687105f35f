#include "tests/sim/simulation.h"

#include <iterator>
#include <memory>
#include <optional>
#include <utility>

namespace batucada::sim {
namespace {

class Life {
 public:
  explicit Life(uint64_t seed)
      : workload_(seed), scheduler_(std::make_unique<Scheduler>(workload_.config())), referee_(workload_.config()) {}

  Outcome Run(uint64_t steps) {
    while (outcome_.steps < steps && referee_.violation().empty()) {
      Arrive();
      if (workload_.Chance(0.05)) Cancel();
      if (workload_.Chance(0.0005)) Fail();
      if (workload_.Chance(0.0005)) Drain();
      Turn();
    }
    if (referee_.violation().empty()) Drain();
    // The scheduler's own destructor would stop the process at a leak, before anybody is told which life it was.
    if (!referee_.violation().empty()) static_cast<void>(scheduler_.release());
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
    referee_.OnAbandoned();
    Tell();
    promised_ = 0;
    referee_.OnStats(scheduler_->stats());
  }

  // Nobody new, until all have ended: in no more turns than there is work.
  void Drain() {
    ++outcome_.drains;
    int64_t turns = 2 * promised_ + 100;
    while ((referee_.alive() > 0 || !out_.empty()) && referee_.violation().empty()) {
      if (turns-- <= 0) return referee_.Broke("drain: it does not end");
      Turn();
    }
    promised_ = 0;
  }

  // Plans if there is room for a step in flight, and commits some of those that are out.
  void Turn() {
    std::optional<BatchPlan> plan = scheduler_->Plan(clock_.Now());
    const bool room = static_cast<int32_t>(out_.size()) < workload_.config().max_steps_in_flight;
    Tell();  // deadlines
    if (plan) {
      ++outcome_.steps;
      referee_.OnPlan(*plan, clock_.Now());
      out_.push_back(*std::move(plan));
    } else {
      referee_.OnNoPlan(!out_.empty());
    }
    referee_.OnStats(scheduler_->stats(), /*planned=*/room);
    const bool full = static_cast<int32_t>(out_.size()) == workload_.config().max_steps_in_flight;
    if (!out_.empty() && (full || !plan || workload_.Chance(0.5))) Commit();
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
    clock_.Advance(workload_.StepTime());
    referee_.OnResult(result);
    scheduler_->Commit(result, clock_.Now());
    Tell();
  }

  void Tell() { referee_.OnEvents(scheduler_->TakeEvents()); }

  Workload workload_;
  ManualClock clock_;
  std::unique_ptr<Scheduler> scheduler_;
  Referee referee_;
  std::deque<BatchPlan> out_;  // planned, not committed
  SequenceId last_id_ = 0;
  int64_t promised_ = 0;  // tokens of those accepted since nobody was there
  Outcome outcome_;
};

}  // namespace

Outcome Simulate(uint64_t seed, uint64_t steps) { return Life(seed).Run(steps); }

}  // namespace batucada::sim
