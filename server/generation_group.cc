#include "server/generation_group.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "server/error.h"

namespace batucada {
namespace {

double Milliseconds(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

absl::Status FailureOf(const Finish& finish) {
  switch (finish.reason) {
    case FinishReason::kStop:
    case FinishReason::kLength: return absl::OkStatus();
    case FinishReason::kCancelled: return WithParameter(absl::CancelledError("the request was cancelled"), "", "cancelled");
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

absl::StatusOr<std::unique_ptr<GenerationGroup>> GenerationGroup::Submit(Service& service, std::vector<Request> requests,
                                                                         int32_t choices_per_prompt, Origin origin) {
  std::unique_ptr<GenerationGroup> group(new GenerationGroup(service, std::move(origin)));
  for (size_t i = 0; i < requests.size(); ++i) {
    if (i % static_cast<size_t>(choices_per_prompt) == 0) {
      group->usage_.prompt_tokens += static_cast<int64_t>(requests[i].prompt.size());
    }
    absl::StatusOr<Generation> generation = service.engine.Submit(std::move(requests[i]));
    if (!generation.ok()) {
      service.metrics.OnRejected(generation.status());
      group->finish_reasons_ = "rejected";
      if (generation.status().code() == absl::StatusCode::kResourceExhausted) {
        return WithParameter(generation.status(), "", "queue_full");
      }
      return generation.status();
    }
    group->generations_.emplace_back(*std::move(generation));
    ++group->running_;
  }
  return group;
}

GenerationGroup::~GenerationGroup() {
  if (running_ > 0 && finish_reasons_.empty()) finish_reasons_ = "disconnected";
  spdlog::info(
      "request id={} api={} choices={} prompt_tokens={} generated_tokens={} queue_ms={:.1f} first_token_ms={:.1f} "
      "total_ms={:.1f} finish={}",
      origin_.request_id, origin_.api, generations_.size(), usage_.prompt_tokens, usage_.generated_tokens,
      Milliseconds(queue_time_), Milliseconds(time_to_first_token_), Milliseconds(absl::Now() - submitted_),
      finish_reasons_);
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
  if (finish.admitted > finish.submitted) queue_time_ = std::max(queue_time_, finish.admitted - finish.submitted);
  if (finish.first_token > finish.submitted) {
    time_to_first_token_ = std::max(time_to_first_token_, finish.first_token - finish.submitted);
  }
  if (failure_.ok()) failure_ = FailureOf(finish);
}

}  // namespace batucada
