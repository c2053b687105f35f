#include "engine/run/step_loop.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/memory_reserve.h"
#include "base/status.h"

namespace batucada {
namespace {

constexpr std::chrono::milliseconds kDiskPatience{100}, kMaskPatience{20};

}  // namespace

StepLoop::StepLoop(const SchedulerConfig& config, std::unique_ptr<Backend> backend, Clock* clock,
                   EngineObserver* observer, std::unique_ptr<CheckpointDisk> disk)
    : clock_(clock), observer_(observer), backend_(std::move(backend)), disk_(std::move(disk)),
      max_in_flight_(static_cast<size_t>(config.max_steps_in_flight)), scheduler_(config), last_progress_(clock->Now()),
      thread_([this] { Run(); }) {
  if (disk_ == nullptr) return;
  disk_->WakeWith([this] {
    const std::lock_guard lock(mutex_);
    changed_ = true;
    work_.notify_one();
  });
}

StepLoop::~StepLoop() {
  Drain(absl::InfinitePast());
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  thread_.join();
  if (disk_ != nullptr) disk_->WakeWith(nullptr);
}

absl::Status StepLoop::Add(std::span<Arrival> arrivals) {
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return absl::UnavailableError(absl::StrCat("the engine has failed: ", failure_.message()));
  if (draining_) return absl::UnavailableError("the server is shutting down");
  for (Arrival& arrival : arrivals) {
    const bool was_idle = scheduler_.idle();
    const absl::Time now = clock_->Now();
    BATUCADA_RETURN_IF_ERROR(scheduler_.Add(next_id_, std::move(arrival.request), now));
    if (was_idle) last_progress_ = now;
    listeners_.emplace(next_id_, std::move(arrival.listener));
    arrival.id = next_id_++;
    changed_ = true;
    work_.notify_one();
  }
  return absl::OkStatus();
}

absl::StatusOr<SequenceId> StepLoop::Add(Request request, std::shared_ptr<SequenceListener> listener) {
  Arrival arrival{std::move(request), std::move(listener)};
  BATUCADA_RETURN_IF_ERROR(Add({&arrival, 1}));
  return arrival.id;
}

void StepLoop::Cancel(SequenceId id, FinishReason reason) {
  const std::lock_guard lock(mutex_);
  scheduler_.Cancel(id, reason, clock_->Now());
  changed_ = true;
  work_.notify_one();
}

void StepLoop::Drain(absl::Time deadline) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto is_idle = [this] { return scheduler_.idle() && listeners_.empty(); };
  while (!is_idle() || (!scheduler_.saved() && failure_.ok())) {
    const absl::Duration left = deadline - clock_->Now();
    if (left <= absl::ZeroDuration()) break;
    idle_.wait_for(lock, absl::ToChronoMilliseconds(std::min(left, absl::Milliseconds(100))));
  }
  scheduler_.CancelAll(FinishReason::kShutdown, clock_->Now(), "the server shut down before the request ended",
                       /*abandon_steps=*/false);
  changed_ = true;
  work_.notify_one();
  idle_.wait(lock, is_idle);
}

SchedulerStats StepLoop::stats() const {
  const std::lock_guard lock(mutex_);
  return scheduler_.stats();
}

std::optional<PrefixCacheStats> StepLoop::prefix_stats() const {
  const std::lock_guard lock(mutex_);
  return scheduler_.prefix_stats();
}

PrefixChanges StepLoop::TakePrefixChanges(int64_t most_ids, int32_t block_tokens) {
  const std::lock_guard lock(mutex_);
  PrefixCache* const cache = scheduler_.prefix();
  return cache == nullptr ? PrefixChanges() : cache->TakeChanges(most_ids, block_tokens);
}

absl::Status StepLoop::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

absl::Duration StepLoop::SinceProgress() const {
  const std::lock_guard lock(mutex_);
  return scheduler_.idle() ? absl::ZeroDuration() : clock_->Now() - last_progress_;
}

void StepLoop::Run() {
  UseMemoryReserve();
  for (;;) {
    try {
      return Work();
    } catch (const std::exception& exception) {  // no memory, not even in the reserve, most likely
      Fail(absl::InternalError(absl::StrCat("the step loop was ended by an exception: ", exception.what())));
    }
  }
}

void StepLoop::Work() {
  for (;;) {
    std::optional<BatchPlan> plan;
    std::vector<Delivery> deliveries;
    absl::Time planned;
    {
      std::unique_lock lock(mutex_);
      // With nothing in flight and nothing new, a plan would find what the last one found.
      if (in_flight_.empty() && (scheduler_.awaits_disk() || scheduler_.awaits_masks())) {
        const auto patience = scheduler_.awaits_masks() ? kMaskPatience : kDiskPatience;
        work_.wait_for(lock, patience, [this] { return changed_ || stopping_; });
        changed_ = true;  // somebody may have waited for long enough
      }
      while (in_flight_.empty() && !changed_ && !stopping_) work_.wait(lock);
      if (stopping_ && in_flight_.empty()) return;
      AwaitLastMoment(lock);
      changed_ = false;
      planned = clock_->Now();
      if (failure_.ok()) plan = scheduler_.Plan(planned);
      deliveries = TakeDeliveries();
    }
    Deliver(std::move(deliveries));
    if (plan) {
      Launch(*plan);
      pace_.NoteStart(clock_->Now() - planned);
      if (plan->constrained) {
        // What may be drawn depends on what the steps before have drawn.
        while (in_flight_.size() > 1) CommitOldest();
        Draw(*plan);
      }
    }
    // A full pipeline waits for its oldest step; so does one that has nothing more to add.
    if (in_flight_.size() >= max_in_flight_ || (!plan && !in_flight_.empty())) CommitOldest();
  }
}

void StepLoop::AwaitLastMoment(std::unique_lock<Mutex>& lock) {
  if (in_flight_.empty()) return;
  const Launched& running = in_flight_.back();
  if (running.shape.decode_rows + running.shape.prompt_rows == 0) return;  // copies alone take no time to speak of
  const absl::Time plan_at = pace_.PlanAt(running.shape, std::max(running.launched, last_result_));
  for (absl::Duration left; !stopping_ && (left = plan_at - clock_->Now()) > absl::ZeroDuration();) {
    work_.wait_for(lock, absl::ToChronoNanoseconds(left));
  }
}

void StepLoop::Launch(const BatchPlan& plan) {
  const int32_t decode_rows = plan.decode_rows();
  in_flight_.push_back(
      {.launched = clock_->Now(), .shape = {.decode_rows = decode_rows, .prompt_rows = plan.num_tokens - decode_rows}});
  if (const absl::Status status = backend_->Launch(plan); !status.ok()) Fail(status);
}

void StepLoop::Draw(const BatchPlan& plan) {
  if (in_flight_.empty()) return;  // a step failed
  if (const absl::Status status = backend_->Draw(plan); !status.ok()) Fail(status);
}

void StepLoop::CommitOldest() {
  const absl::StatusOr<StepResult> result = backend_->Wait();
  if (!result.ok()) {
    Fail(result.status());
    return;
  }
  const Launched step = in_flight_.front();
  in_flight_.pop_front();
  const absl::Time now = clock_->Now();
  std::vector<Delivery> deliveries;
  {
    const std::lock_guard lock(mutex_);
    scheduler_.Commit(*result, now);
    last_progress_ = now;
    // More may be possible now: rows to continue, room to admit.
    changed_ = changed_ || scheduler_.busy();
    deliveries = TakeDeliveries();
  }
  steps_.fetch_add(1, std::memory_order_relaxed);
  const absl::Duration took = now - std::max(step.launched, last_result_);
  const bool computed = step.shape.decode_rows + step.shape.prompt_rows > 0;
  if (computed) pace_.NoteStep(step.shape, took);
  if (computed && observer_ != nullptr) {
    observer_->OnStep({.decode_rows = step.shape.decode_rows, .prompt_rows = step.shape.prompt_rows, .duration = took});
  }
  last_result_ = now;
  Deliver(std::move(deliveries));
}

void StepLoop::Fail(const absl::Status& status) {
  in_flight_.clear();
  std::vector<Delivery> deliveries;
  {
    const std::lock_guard lock(mutex_);
    failure_ = status;
    scheduler_.CancelAll(FinishReason::kError, clock_->Now(), std::string(status.message()), /*abandon_steps=*/true);
    deliveries = TakeDeliveries();
  }
  Deliver(std::move(deliveries));
}

std::vector<StepLoop::Delivery> StepLoop::TakeDeliveries() {
  std::vector<Delivery> deliveries;
  for (SequenceEvent& event : scheduler_.TakeEvents()) {
    const auto it = listeners_.find(event.id);
    BATUCADA_CHECK(it != listeners_.end(), "event after the end of sequence ", event.id);
    const bool last = event.finish.has_value();
    deliveries.push_back({.listener = it->second, .event = std::move(event)});
    if (last) listeners_.erase(it);
  }
  if (listeners_.empty()) idle_.notify_all();
  return deliveries;
}

void StepLoop::Deliver(std::vector<Delivery> deliveries) {
  for (Delivery& delivery : deliveries) {
    const SequenceId id = delivery.event.id;
    if (observer_ != nullptr && delivery.event.token_gap) observer_->OnTokenGap(*delivery.event.token_gap);
    if (observer_ != nullptr && delivery.event.finish) observer_->OnFinish(*delivery.event.finish);
    if (!delivery.listener->OnEvent(std::move(delivery.event))) Cancel(id, FinishReason::kOverrun);
  }
}

}  // namespace batucada
