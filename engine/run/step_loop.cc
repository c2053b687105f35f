#include "engine/run/step_loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/memory_reserve.h"
#include "base/status.h"

namespace batucada {
namespace {

constexpr std::chrono::milliseconds kDiskPatience{100}, kMaskPatience{20};

// Shorter ones would cost the host more than who comes gains.
constexpr absl::Duration kLeastParts = absl::Microseconds(500);
constexpr double kMostParts = 1 << 20;
// A wait that takes less was for something that had happened before.
constexpr absl::Duration kAtOnce = absl::Microseconds(20);

StepPace::Shape ShapeOf(const BatchPlan& plan) {
  const int32_t decode_rows = plan.decode_rows();
  return {.decode_rows = decode_rows, .prompt_rows = plan.num_tokens - decode_rows};
}

}  // namespace

StepLoop::StepLoop(const SchedulerConfig& config, std::unique_ptr<Backend> backend, Clock* clock,
                   EngineObserver* observer, std::unique_ptr<CheckpointDisk> disk)
    : clock_(clock), observer_(observer), backend_(std::move(backend)), disk_(std::move(disk)),
      max_in_flight_(static_cast<size_t>(config.max_steps_in_flight)), health_(clock->Now()), scheduler_(config),
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
  const absl::Cleanup wake = [this] { work_.notify_one(); };  // once the lock is free, which the loop takes at once
  const std::lock_guard lock(mutex_);
  BATUCADA_RETURN_IF_ERROR(Works());
  if (draining_) return absl::UnavailableError("the server is shutting down");
  for (Arrival& arrival : arrivals) {
    const bool was_idle = scheduler_.idle();
    const absl::Time now = clock_->Now();
    BATUCADA_RETURN_IF_ERROR(scheduler_.Add(next_id_, std::move(arrival.request), now));
    if (was_idle) health_.Progress(now);
    listeners_.emplace(next_id_, std::move(arrival.listener));
    arrival.id = next_id_++;
    changed_ = true;
  }
  return absl::OkStatus();
}

absl::StatusOr<SequenceId> StepLoop::Add(Request request, std::shared_ptr<SequenceListener> listener) {
  Arrival arrival{std::move(request), std::move(listener)};
  BATUCADA_RETURN_IF_ERROR(Add({&arrival, 1}));
  return arrival.id;
}

void StepLoop::Cancel(SequenceId id, FinishReason reason) {
  const absl::Cleanup wake = [this] { work_.notify_one(); };  // likewise
  const std::lock_guard lock(mutex_);
  scheduler_.Cancel(id, reason, clock_->Now());
  changed_ = true;
}

void StepLoop::Drain(absl::Time deadline) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto is_idle = [this] { return scheduler_.idle() && listeners_.empty(); };
  while (!is_idle() || (!scheduler_.saved() && health_.failure().ok())) {
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

absl::Status StepLoop::Works() const {
  const absl::Status failure = health_.failure();
  if (failure.ok()) return failure;
  return absl::UnavailableError(absl::StrCat("the engine has failed: ", failure.message()));
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
    absl::Time planned;
    {
      std::unique_lock lock(mutex_);
      // With nothing in flight and nothing new, a plan would find what the last one found.
      const bool at_rest = in_flight_.empty() && !in_parts_;
      if (at_rest && (scheduler_.awaits_disk() || scheduler_.awaits_masks())) {
        const auto patience = scheduler_.awaits_masks() ? kMaskPatience : kDiskPatience;
        work_.wait_for(lock, patience, [this] { return changed_ || stopping_; });
        changed_ = true;  // somebody may have waited for long enough
      }
      if (at_rest) AwaitWork(lock);
      if (stopping_ && at_rest) return;
      AwaitLastMoment(lock);
      changed_ = false;
      planned = clock_->Now();
      if (health_.failure().ok()) plan = scheduler_.Plan(planned);
      if (in_parts_) prompt_weight_ = scheduler_.PromptWeight();
      TakeDeliveries();
    }
    Deliver();
    const bool planned_any = plan.has_value();
    if (plan) Launch(*std::move(plan), planned);
    if (in_parts_) {
      LaunchParts();
      continue;
    }
    // A full pipeline waits for its oldest step; so does one that has nothing more to add.
    if (in_flight_.size() >= max_in_flight_ || (!planned_any && !in_flight_.empty())) CommitOldest();
  }
}

void StepLoop::AwaitWork(std::unique_lock<Mutex>& lock) {
  IdlePages& idle = scheduler_.idle_pages();
  for (;;) {
    const absl::Time now = clock_->Now();
    const std::optional<PoolPages> pages = idle.Take(now);
    if (pages) {
      lock.unlock();
      backend_->Discard(*pages);  // nobody has them before the next plan
      lock.lock();
    }
    if (changed_ || stopping_) return;
    if (pages) continue;
    const absl::Time next = idle.next();
    if (next == absl::InfiniteFuture()) {
      work_.wait(lock);
    } else {
      work_.wait_for(lock, absl::ToChronoNanoseconds(next - now));
    }
  }
}

void StepLoop::AwaitLastMoment(std::unique_lock<Mutex>& lock) {
  if (in_flight_.empty()) return;
  const Launched& running = in_flight_.back();
  const bool copies = running.shape.decode_rows + running.shape.prompt_rows == 0;  // take no time to speak of
  if (copies || running.shares_device()) return;
  const absl::Time plan_at = pace_.PlanAt(running.shape, std::max(running.launched, last_result_));
  for (absl::Duration left; !stopping_ && (left = plan_at - clock_->Now()) > absl::ZeroDuration();) {
    work_.wait_for(lock, absl::ToChronoNanoseconds(left));
  }
}

void StepLoop::Launch(BatchPlan plan, absl::Time planned) {
  const absl::Time now = clock_->Now();
  if (!plan.in_parts) {
    const bool between = in_parts_ && max_in_flight_ > 1;
    in_flight_.push_back({.launched = now, .shape = ShapeOf(plan), .between = between});
    if (in_parts_) in_parts_->between = ShapeOf(plan);
  }
  if (const absl::Status status = backend_->Launch(plan); !status.ok()) return Fail(status);
  pace_.NoteStart(clock_->Now() - planned);
  if (plan.in_parts) {
    in_parts_.emplace(InParts{.plan = std::move(plan), .launched = now});
  } else if (plan.constrained) {
    Draw(plan);
  }
}

int32_t StepLoop::NextParts() const {
  if (part_row_ == absl::ZeroDuration()) return 1;
  const auto& between = in_parts_->between;
  const absl::Duration wanted = between ? prompt_weight_ * pace_.Expected(*between) : kLeastParts;
  const double parts = absl::FDivDuration(std::max(wanted, kLeastParts), part_row_ * in_parts_->plan.num_tokens);
  return static_cast<int32_t>(std::clamp(std::round(parts), 1.0, kMostParts));
}

void StepLoop::NoteParts(int32_t count, int32_t rows, absl::Duration took) {
  const absl::Duration seen = took / count / rows;
  part_row_ += (seen - part_row_) / (part_row_ == absl::ZeroDuration() ? 1 : 8);
}

void StepLoop::LaunchParts() {
  // Where work runs to completion, what the step between has drawn is not to wait for the parts.
  const bool at_once = max_in_flight_ == 1;
  while (at_once && !in_flight_.empty()) CommitOldest();
  if (!in_parts_) return;  // a step failed
  const int32_t count = NextParts();
  in_parts_->between.reset();
  const absl::Time begins = clock_->Now();
  const absl::StatusOr<bool> last = backend_->LaunchParts(in_parts_->plan, count);
  if (!last.ok()) return Fail(last.status());
  if (at_once && !*last) NoteParts(count, in_parts_->plan.num_tokens, clock_->Now() - begins);
  if (*last) {
    const InParts whole = std::move(*in_parts_);
    in_parts_.reset();
    in_flight_.push_back({.launched = whole.launched, .shape = ShapeOf(whole.plan), .in_parts = true});
    {
      const std::lock_guard lock(mutex_);
      scheduler_.PartsLaunched();
    }
    if (whole.plan.constrained) Draw(whole.plan);
    return;
  }
  // What was launched before: parts, and a step between them and these.
  absl::Time waits = clock_->Now();
  // When the device was done with what is waited for; none if that was before.
  const auto end = [&]() -> std::optional<absl::Time> {
    const absl::Time now = clock_->Now(), before = std::exchange(waits, now);
    return now - before > kAtOnce ? std::optional(now) : std::nullopt;
  };
  if (const absl::Status status = backend_->AwaitParts(); !status.ok()) return Fail(status);
  std::optional<absl::Time> ended = end();
  if (ended && in_parts_->since) NoteParts(in_parts_->newest, in_parts_->plan.num_tokens, *ended - *in_parts_->since);
  while (!in_flight_.empty()) {
    const Launched step = in_flight_.front();
    const std::optional<absl::Time> began = ended;
    const absl::StatusOr<StepResult> result = backend_->Wait();
    ended = end();
    if (began && ended && step.between) pace_.NoteStep(step.shape, *ended - *began);
    Commit(result);
    if (!in_parts_) return;  // a step failed
    waits = clock_->Now();
  }
  in_parts_->newest = count;
  in_parts_->since = ended;
  health_.Progress(clock_->Now());
}

void StepLoop::Draw(const BatchPlan& plan) {
  // What may be drawn depends on what the steps before have drawn.
  while (in_flight_.size() > 1) CommitOldest();
  if (in_flight_.empty()) return;  // a step failed
  if (const absl::Status status = backend_->Draw(plan); !status.ok()) Fail(status);
}

void StepLoop::CommitOldest() { Commit(backend_->Wait()); }

void StepLoop::Commit(const absl::StatusOr<StepResult>& result) {
  if (!result.ok()) return Fail(result.status());
  const Launched step = in_flight_.front();
  in_flight_.pop_front();
  const absl::Time now = clock_->Now();
  scheduler_.NoteDraws(*result, now);
  {
    const std::lock_guard lock(mutex_);
    scheduler_.Commit(*result, now);
    health_.Progress(now);
    // More may be possible now: rows to continue, room to admit.
    changed_ = changed_ || scheduler_.busy();
    TakeDeliveries();
  }
  steps_.fetch_add(1, std::memory_order_relaxed);
  const absl::Duration took = now - (step.in_parts ? step.launched : std::max(step.launched, last_result_));
  const bool computed = step.shape.decode_rows + step.shape.prompt_rows > 0;
  if (computed && !step.shares_device()) pace_.NoteStep(step.shape, took);
  if (computed && observer_ != nullptr) {
    observer_->OnStep({.decode_rows = step.shape.decode_rows, .prompt_rows = step.shape.prompt_rows, .duration = took});
  }
  last_result_ = now;
  Deliver();
}

void StepLoop::Fail(const absl::Status& status) {
  in_flight_.clear();
  in_parts_.reset();
  {
    const std::lock_guard lock(mutex_);
    health_.Fail(status);
    scheduler_.CancelAll(FinishReason::kError, clock_->Now(), std::string(status.message()), /*abandon_steps=*/true);
    TakeDeliveries();
  }
  Deliver();
}

void StepLoop::TakeDeliveries() {
  deliveries_.events = scheduler_.TakeEvents(std::move(deliveries_.events));
  deliveries_.listeners.clear();
  for (const SequenceEvent& event : deliveries_.events) {
    const auto it = listeners_.find(event.id);
    BATUCADA_CHECK(it != listeners_.end(), "event after the end of sequence ", event.id);
    if (event.finish == nullptr) {
      deliveries_.listeners.push_back(it->second);
    } else {
      deliveries_.listeners.push_back(std::move(it->second));
      listeners_.erase(it);
    }
  }
  health_.SetIdle(scheduler_.idle());
  if (listeners_.empty()) idle_.notify_all();
}

void StepLoop::Deliver() {
  for (size_t i = 0; i < deliveries_.events.size(); ++i) {
    SequenceEvent& event = deliveries_.events[i];
    if (observer_ != nullptr && event.token_gap) observer_->OnTokenGap(*event.token_gap);
    if (observer_ != nullptr && event.finish != nullptr) observer_->OnFinish(*event.finish);
    const SequenceId id = event.id;
    if (!deliveries_.listeners[i]->OnEvent(std::move(event))) Cancel(id, FinishReason::kOverrun);
  }
  deliveries_.events.clear();
  deliveries_.listeners.clear();
}

}  // namespace batucada
