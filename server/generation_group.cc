#include "server/generation_group.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "engine/core/status.h"
#include "server/error.h"

namespace batucada {
namespace {

double Milliseconds(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

absl::Status FailureOf(const Finish& finish) {
  switch (finish.reason) {
    case FinishReason::kStop:
    case FinishReason::kLength: return absl::OkStatus();
    case FinishReason::kCancelled:
      return WithParameter(absl::CancelledError("the request was cancelled"), "", "cancelled");
    case FinishReason::kDeadline:
      return WithParameter(absl::DeadlineExceededError("the request's deadline passed"), "", "deadline");
    case FinishReason::kOverrun:
      return WithParameter(absl::AbortedError("the client read its tokens too slowly"), "", "overrun");
    case FinishReason::kShutdown:
      return WithParameter(absl::UnavailableError("the server shut down before the request was done"), "", "shutdown");
    case FinishReason::kError: break;
  }
  return WithParameter(absl::InternalError(fmt::format("the engine failed: {}", finish.message)), "", "engine_error");
}

}  // namespace

std::string_view BackendName(BackendKind kind) {
  switch (kind) {
    case BackendKind::kAuto: return "auto";
    case BackendKind::kCpu: return "cpu";
    case BackendKind::kCuda: return "cuda";
    case BackendKind::kFake: return "fake";
  }
  return "auto";
}

void NoteRefusal(Service& service, const RequestOrigin& origin, const absl::Status& status) {
  service.metrics.OnRejected(status);
  spdlog::info("request id={} api={} trace={} finish=rejected code={} param={}", origin.request_id, origin.api,
               origin.trace_id.empty() ? "-" : origin.trace_id, ErrorCode(status), ErrorParameter(status));
}

absl::StatusOr<std::unique_ptr<GenerationGroup>> GenerationGroup::Submit(Service& service, Translation translation,
                                                                         RequestOrigin origin) {
  std::unique_ptr<GenerationGroup> group(new GenerationGroup(service, std::move(origin)));
  for (const Request& request : translation.requests) {
    group->usage_.prompt_tokens += static_cast<int64_t>(request.prompt.size());
    // One copy at a time: a long prompt with many choices never lies in memory more often than the queue allows.
    for (int32_t i = 0; i < translation.choices_per_prompt; ++i) {
      Request choice = request;
      choice.sampling.seed = ChoiceSeed(request.sampling.seed, i);
      BATUCADA_RETURN_IF_ERROR(group->Add(std::move(choice)));
    }
  }
  return group;
}

absl::Status GenerationGroup::Add(Request request) {
  absl::StatusOr<Generation> generation = service_.engine.Submit(std::move(request));
  if (generation.ok()) {
    service_.running.Add(origin_.request_id, generation->id());
    generations_.emplace_back(*std::move(generation));
    ++running_;
    return absl::OkStatus();
  }
  service_.metrics.OnRejected(generation.status());
  finish_reasons_ = "rejected";
  if (generation.status().code() != absl::StatusCode::kResourceExhausted) return generation.status();
  return WithParameter(generation.status(), "", "queue_full");
}

GenerationGroup::~GenerationGroup() {
  if (running_ > 0 && finish_reasons_ != "rejected") {
    finish_reasons_ = "disconnected";
    service_.metrics.OnDisconnect();
  }
  for (const std::optional<Generation>& generation : generations_) {
    if (generation) service_.running.Remove(origin_.request_id, generation->id());
  }
  spdlog::info(
      "request id={} api={} trace={} choices={} prompt_tokens={} generated_tokens={} queue_ms={:.1f} prefill_ms={:.1f} "
      "decode_ms={:.1f} total_ms={:.1f} finish={}",
      origin_.request_id, origin_.api, origin_.trace_id.empty() ? "-" : origin_.trace_id, generations_.size(),
      usage_.prompt_tokens, usage_.generated_tokens, Milliseconds(timings_.queue), Milliseconds(timings_.prefill),
      Milliseconds(timings_.decode), Milliseconds(absl::Now() - submitted_), finish_reasons_);
}

void GenerationGroup::OnReady(const std::function<void()>& wake) {
  for (std::optional<Generation>& generation : generations_) {
    if (generation) generation->OnReady(wake);
  }
}

void GenerationGroup::Poll(const std::function<void(size_t index, Update& update)>& take) {
  Update update;
  for (size_t i = 0; i < generations_.size(); ++i) {
    if (!generations_[i] || !generations_[i]->Poll(&update)) continue;
    usage_.generated_tokens += static_cast<int64_t>(update.tokens.size());
    if (update.finish) {
      Note(*update.finish);
      service_.running.Remove(origin_.request_id, generations_[i]->id());
      generations_[i].reset();
      --running_;
    }
    take(i, update);
  }
}

void GenerationGroup::Note(const Finish& finish) {
  const std::string_view reason = FinishReasonName(finish.reason);
  if (finish_reasons_.find(reason) == std::string::npos) {
    if (!finish_reasons_.empty()) finish_reasons_ += ',';
    finish_reasons_ += reason;
  }
  // A mark that was never reached is in the infinite past.
  const auto keep_longest = [](absl::Time from, absl::Time to, absl::Duration* longest) {
    if (from != absl::InfinitePast() && to > from) *longest = std::max(*longest, to - from);
  };
  keep_longest(finish.submitted, finish.admitted, &timings_.queue);
  keep_longest(finish.admitted, finish.first_token, &timings_.prefill);
  keep_longest(finish.first_token, finish.finished, &timings_.decode);
  if (failure_.ok()) failure_ = FailureOf(finish);
}

}  // namespace batucada
