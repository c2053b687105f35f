#include "server/generation_group.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/core/status.h"
#include "server/error.h"

namespace batucada {
namespace {

constexpr std::string_view kRejected = "rejected";

absl::Status FailureOf(const Finish& finish) {
  switch (finish.reason) {
    case FinishReason::kStop:
    case FinishReason::kLength: return absl::OkStatus();
    case FinishReason::kCancelled:
      return WithParameter(absl::CancelledError("the request was cancelled: a call of Abort named its x-request-id"),
                           "", "cancelled");
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
  const absl::Time now = absl::Now();
  service.journal.Write(
      {.origin = origin, .asked = {}, .started = now, .ended = now, .finish_reasons = {kRejected}, .status = status});
}

absl::StatusOr<std::unique_ptr<GenerationGroup>> GenerationGroup::Submit(Service& service, Translation translation,
                                                                         RequestOrigin origin) {
  const Request& first = translation.requests.front();
  std::unique_ptr<GenerationGroup> group(
      new GenerationGroup(service, {.origin = std::move(origin),
                                    .asked = {{.model = translation.model,
                                               .max_tokens = first.max_tokens,
                                               .temperature = first.sampling.temperature,
                                               .top_p = first.sampling.top_p}},
                                    .started = absl::Now(),
                                    .ended = {},
                                    .finish_reasons = {},
                                    .status = {}}));
  for (const Request& request : translation.requests) {
    group->record_.usage.prompt_tokens += static_cast<int64_t>(request.prompt.size());
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
    service_.running.Add(record_.origin.request_id, generation->id());
    generations_.emplace_back(*std::move(generation));
    ++record_.choices;
    ++running_;
    return absl::OkStatus();
  }
  service_.metrics.OnRejected(generation.status());
  NoteReason(kRejected);
  const bool full = absl::IsResourceExhausted(generation.status());
  record_.status = full ? WithParameter(generation.status(), "", "queue_full") : generation.status();
  return record_.status;
}

GenerationGroup::~GenerationGroup() {
  if (running_ > 0 && record_.status.ok()) {
    NoteReason("disconnected");
    service_.metrics.OnDisconnect();
  }
  for (const std::optional<Generation>& generation : generations_) {
    if (generation) service_.running.Remove(record_.origin.request_id, generation->id());
  }
  record_.ended = absl::Now();
  service_.journal.Write(record_);
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
    record_.usage.generated_tokens += static_cast<int64_t>(update.tokens.size());
    if (update.finish) {
      Note(*update.finish);
      service_.running.Remove(record_.origin.request_id, generations_[i]->id());
      generations_[i].reset();
      --running_;
    }
    take(i, update);
  }
}

void GenerationGroup::Note(const Finish& finish) {
  NoteReason(FinishReasonName(finish.reason));
  // A mark that was never reached is in the infinite past.
  const auto keep_longest = [](absl::Time from, absl::Time to, absl::Duration* longest) {
    if (from != absl::InfinitePast() && to > from) *longest = std::max(*longest, to - from);
  };
  keep_longest(finish.submitted, finish.admitted, &record_.timings.queue);
  keep_longest(finish.admitted, finish.first_token, &record_.timings.prefill);
  keep_longest(finish.first_token, finish.finished, &record_.timings.decode);
  const auto keep_first = [](absl::Time mark, absl::Time* first) {
    if (mark != absl::InfinitePast() && (*first == absl::InfinitePast() || mark < *first)) *first = mark;
  };
  keep_first(finish.admitted, &record_.admitted);
  keep_first(finish.first_token, &record_.first_token);
  if (record_.status.ok()) record_.status = FailureOf(finish);
}

void GenerationGroup::NoteReason(std::string_view reason) {
  std::vector<std::string_view>& reasons = record_.finish_reasons;
  if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(reason);
}

}  // namespace batucada
