#include "server/generate/generation_group.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/status.h"
#include "server/common/error.h"
#include "server/generate/estimate.h"
#include "server/generate/work_attempt.h"

namespace batucada {
namespace {

constexpr std::string_view kRejected = "rejected", kNoMemory = "memory";

absl::Status NoRoom() {
  return WithParameter(
      absl::ResourceExhaustedError("the request's tokens came faster than they were taken, and there is "
                                   "no more memory for them (--request-memory): try again later"),
      "", "memory_full");
}

// `narrowing`: see Translation.
absl::Status FailureOf(const Finish& finish, const std::string& narrowing) {
  switch (finish.reason) {
    case FinishReason::kStop:
    case FinishReason::kLength: return absl::OkStatus();
    case FinishReason::kCancelled:
      return WithParameter(absl::CancelledError("the request was cancelled: a call of Abort named its x-request-id"),
                           "", "cancelled");
    case FinishReason::kDeadline:
      return WithParameter(absl::DeadlineExceededError("the request's deadline passed: its own, or --max-request-time"),
                           "", "deadline");
    case FinishReason::kOverrun:
      return WithParameter(absl::AbortedError("the client read its tokens too slowly"), "", "overrun");
    case FinishReason::kShutdown:
      return WithParameter(absl::UnavailableError("the server shut down before the request was done"), "", "shutdown");
    case FinishReason::kError: break;
  }
  if (finish.by_request) return InvalidParameter(narrowing, finish.message, "nothing_to_draw");
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
  if (WorkAttempt::Void()) return;  // the request is not refused yet
  service.metrics.OnRejected(status);
  const absl::Time now = absl::Now();
  service.journal.Write(
      {.origin = origin, .asked = {}, .started = now, .ended = now, .finish_reasons = {kRejected}, .status = status});
}

absl::StatusOr<std::unique_ptr<GenerationGroup>> GenerationGroup::Submit(Service& service, Translation translation,
                                                                         RequestOrigin origin, Reader reader) {
  const Request& first = translation.requests.front();
  std::unique_ptr<GenerationGroup> group(new GenerationGroup(service,
                                                             {.origin = std::move(origin),
                                                              .asked = {{.model = translation.model,
                                                                         .max_tokens = first.max_tokens,
                                                                         .temperature = translation.temperature,
                                                                         .top_p = translation.top_p}},
                                                              .started = absl::Now(),
                                                              .ended = {},
                                                              .finish_reasons = {},
                                                              .status = {}},
                                                             reader));
  group->only_scores_ = first.max_tokens == 0;
  group->narrowing_ = translation.narrowing;
  group->choices_per_prompt_ = static_cast<size_t>(translation.choices_per_prompt);
  if (absl::Status status = group->ChargeMemory(translation); !status.ok()) return group->Refuse(std::move(status));
  const TokenRoom room = group->MakeRoom();
  for (Request& request : translation.requests) BATUCADA_RETURN_IF_ERROR(group->Add(std::move(request), room));
  return group;
}

TokenRoom GenerationGroup::MakeRoom() const {
  if (reader_ == Reader::kClient) return nullptr;
  // The step loop's alone, until the last channel lets go of it.
  auto charge = std::make_shared<std::optional<MemoryCharge>>();
  return [&account = service_.memory, charge, bytes = token_bytes_](size_t tokens) {
    const int64_t more = static_cast<int64_t>(tokens) * bytes;
    if (*charge) return (*charge)->Resize((*charge)->bytes() + more).ok();
    absl::StatusOr<MemoryCharge> first = account.Charge(MemoryPart::kAnswer, more);
    if (first.ok()) *charge = *std::move(first);
    return first.ok();
  };
}

absl::Status GenerationGroup::Add(Request request, const TokenRoom& room) {
  const auto prompt_tokens = static_cast<int64_t>(request.prompt.size());
  scores_due_.push_back(request.prompt_logprobs ? prompt_tokens - 1 : 0);
  // Where nothing is generated all choices say the same: the first is asked for them all.
  std::vector<uint64_t> seeds(only_scores_ ? 1 : choices_per_prompt_);
  for (size_t i = 0; i < seeds.size(); ++i) seeds[i] = ChoiceSeed(request.sampling.seed, static_cast<int32_t>(i));
  absl::StatusOr<std::vector<Generation>> choices = service_.engine.SubmitChoices(std::move(request), seeds, room);
  if (choices.ok()) {
    record_.usage.prompt_tokens += prompt_tokens;
    record_.choices += static_cast<int32_t>(choices_per_prompt_);
    running_ += choices->size();
    for (Generation& choice : *choices) {
      service_.running.Add(record_.origin.request_id, record_.origin.client, choice.id());
      generations_.emplace_back(std::move(choice));
    }
    generations_.resize(scores_due_.size() * choices_per_prompt_);
    return absl::OkStatus();
  }
  if (absl::IsResourceExhausted(choices.status())) return Refuse(WithParameter(choices.status(), "", "queue_full"));
  // All else that a request may say has been checked.
  if (absl::IsInvalidArgument(choices.status())) {
    return Refuse(WithParameter(choices.status(), narrowing_, "nothing_to_draw"));
  }
  return Refuse(choices.status());
}

absl::Status GenerationGroup::Refuse(absl::Status status) {
  service_.metrics.OnRejected(status);
  NoteReason(kRejected);
  record_.status = std::move(status);
  return record_.status;
}

absl::Status GenerationGroup::ChargeMemory(const Translation& translation) {
  MemoryAccount& account = service_.memory;
  const Request& any = translation.requests.front();
  BATUCADA_ASSIGN_OR_RETURN(prompt_memory_, account.Charge(MemoryPart::kPrompt, PromptBytes(translation)));
  BATUCADA_ASSIGN_OR_RETURN(choice_memory_, account.Charge(MemoryPart::kChoices, ChoiceBytes(translation)));
  BATUCADA_ASSIGN_OR_RETURN(score_memory_, account.Charge(MemoryPart::kScores, ScoreBytes(translation)));
  // Every choice's channel may fill up before it is read.
  token_bytes_ = TokenBytes(any.logprobs);
  const int64_t waiting = std::min<int64_t>(any.max_tokens, service_.engine.config().stream_buffer_tokens);
  BATUCADA_ASSIGN_OR_RETURN(
      answer_memory_,
      account.Charge(MemoryPart::kAnswer, static_cast<int64_t>(translation.choices()) * waiting * token_bytes_));
  return absl::OkStatus();
}

bool GenerationGroup::ChargeKept(size_t tokens) {
  constexpr int64_t kStep = 1 << 20;
  kept_bytes_ += static_cast<int64_t>(tokens) * token_bytes_;
  if (!keeps_whole_ || kept_bytes_ <= answer_memory_.bytes()) return true;
  absl::Status status = answer_memory_.Resize(kept_bytes_ + kStep);
  if (status.ok()) return true;
  record_.status = std::move(status);
  NoteReason(kNoMemory);
  return false;
}

GenerationGroup::~GenerationGroup() {
  if (running_ > 0 && record_.status.ok()) {
    NoteReason("disconnected");
    service_.metrics.OnDisconnect();
  }
  End();
  record_.ended = absl::Now();
  try {
    service_.journal.Write(record_);
  } catch (const std::exception& exception) {  // no memory for a line of the log, most likely
    spdlog::error("a request could not be logged: {}", exception.what());
  }
}

void GenerationGroup::OnReady(const std::function<void()>& wake) {
  for (std::optional<Generation>& generation : generations_) {
    if (generation) generation->OnReady(wake);
  }
}

void GenerationGroup::Poll(const Taker& take) {
  Update update;
  bool fits = true;
  for (size_t i = 0; i < generations_.size(); ++i) {
    const size_t prompt = i / choices_per_prompt_;
    const bool scores = i % choices_per_prompt_ == 0;
    // What is said of the prompt comes before what follows it.
    if (!generations_[i] || (!scores && scores_due_[prompt] > 0) || !generations_[i]->Poll(&update)) continue;
    record_.usage.generated_tokens += static_cast<int64_t>(update.tokens.size());
    fits = fits && ChargeKept(update.tokens.size());
    if (update.finish) {
      Note(*update.finish);
      if (scores) {
        record_.usage.cached_tokens += update.finish->cached_tokens;
        record_.usage.cache_write_tokens += update.finish->cache_write_tokens;
      }
      service_.running.Remove(record_.origin.request_id, generations_[i]->id());
      generations_[i].reset();
      --running_;
    }
    if (scores) ShareWithOthers(i, update, take);
    take(i, update);
  }
  if (!fits) End();
}

void GenerationGroup::End() {
  for (std::optional<Generation>& generation : generations_) {
    if (!generation) continue;
    service_.running.Remove(record_.origin.request_id, generation->id());
    generation.reset();
  }
  running_ = 0;
}

void GenerationGroup::ShareWithOthers(size_t first, const Update& update, const Taker& take) {
  int64_t& due = scores_due_[first / choices_per_prompt_];
  due = update.finish ? 0 : due - static_cast<int64_t>(update.prompt_logprobs.size());
  for (size_t i = first + 1; i < first + choices_per_prompt_; ++i) {
    Update shared{.prompt_logprobs = update.prompt_logprobs, .tokens = {}, .text = {}, .finish = {}};
    if (update.finish && only_scores_) shared.finish = update.finish;
    if (shared.finish || !shared.prompt_logprobs.empty()) take(i, shared);
  }
}

void GenerationGroup::Note(const Finish& finish) {
  const bool no_room = finish.reason == FinishReason::kOverrun && reader_ == Reader::kServer;
  NoteReason(no_room ? kNoMemory : FinishReasonName(finish.reason));
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
  if (record_.status.ok()) record_.status = no_room ? NoRoom() : FailureOf(finish, narrowing_);
}

void GenerationGroup::NoteReason(std::string_view reason) {
  std::vector<std::string_view>& reasons = record_.finish_reasons;
  if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(reason);
}

}  // namespace batucada
