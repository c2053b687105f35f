#include "server/compat/dialect.h"

#include <iterator>
#include <utility>
#include <variant>

#include "base/status.h"
#include "server/generate/translate.h"
#include "server/http/request_origin.h"
#include "server/http/sse.h"

namespace batucada {
namespace {

class DialectAnswer : public LiveAnswer {
 public:
  // `memory` is charged for the prompt, if it is kept.
  DialectAnswer(std::unique_ptr<GenerationGroup> group, std::unique_ptr<Dialect> dialect, MemoryCharge memory,
                bool streams, Headers headers, ErrorForm form)
      : memory_(std::move(memory)), group_(std::move(group)), dialect_(std::move(dialect)), streams_(streams),
        headers_(std::move(headers)), form_(form) {
    group_->KeepWhole();
  }

  void OnReady(std::function<void()> wake) override { group_->OnReady(wake); }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (streams_ && !std::exchange(began_, true)) {
      *head = EventStreamHead();
      (*head)->content_type = std::string(dialect_->stream_type());
      (*head)->headers.insert((*head)->headers.end(), headers_.begin(), headers_.end());
      dialect_->Start(body);
    }
    group_->Poll([&](size_t, Update& update) { Take(update, body); });
    if (!group_->done()) return Progress::kWaiting;
    generated_.usage = group_->usage();
    generated_.timings = group_->timings();
    const absl::Status& failure = group_->failure();
    if (streams_) {
      failure.ok() ? dialect_->End(generated_, body) : dialect_->Fail(failure, body);
    } else if (failure.ok()) {
      *head = JsonResponse(dialect_->Whole(generated_));
      (*head)->headers = headers_;
    } else {
      *head = ErrorResponse(failure, form_);
    }
    return Progress::kDone;
  }

  void KeepAlive(std::string* body) override { dialect_->KeepAlive(body); }

 private:
  void Take(Update& update, std::string* body) {
    if (streams_ && (!update.text.empty() || !update.tokens.empty())) dialect_->Piece(update, body);
    generated_.text += update.text;
    if (update.finish) generated_.finish = *update.finish;
    if (!dialect_->KeepsTokens()) return;
    std::move(update.tokens.begin(), update.tokens.end(), std::back_inserter(generated_.tokens));
  }

  const MemoryCharge memory_;
  std::unique_ptr<GenerationGroup> group_;
  std::unique_ptr<Dialect> dialect_;
  const bool streams_;
  const Headers headers_;
  const ErrorForm form_;
  bool began_ = false;
  Generated generated_;
};

absl::StatusOr<std::unique_ptr<LiveAnswer>> Start(Service& service, const HttpRequest& request, RequestOrigin origin,
                                                  const CompletionParams& params, const UnknownMembers& unknown,
                                                  std::unique_ptr<Dialect> dialect, ErrorForm form) {
  absl::StatusOr<Translation> translation = Translate(params, service.translation(request.client));
  if (!translation.ok()) {
    NoteRefusal(service, origin, translation.status());
    return translation.status();
  }
  const Request& first = translation->requests.front();
  Asked asked = {.model = translation->model,
                 .prompt = {},
                 .sampling = first.sampling,
                 .max_tokens = first.max_tokens,
                 .prompt_tokens = static_cast<int64_t>(first.prompt.size()),
                 .answer = translation->answer,
                 .last_breakpoint = first.breakpoints.empty() ? 0 : first.breakpoints.vector().back()};
  const std::string* text = params.prompts.empty() ? nullptr : std::get_if<std::string>(&params.prompts.front());
  MemoryCharge memory;
  if (text != nullptr && dialect->KeepsPrompt()) {
    BATUCADA_ASSIGN_OR_RETURN(memory, service.memory.Charge(MemoryPart::kAnswer, static_cast<int64_t>(text->size())));
    asked.prompt = *text;
  }
  dialect->Begin(std::move(asked));
  absl::StatusOr<std::unique_ptr<GenerationGroup>> group =
      GenerationGroup::Submit(service, *std::move(translation), std::move(origin));
  if (!group.ok()) return group.status();
  Headers headers;
  if (unknown.ignored > 0) headers.emplace_back(kIgnoredParameters, unknown.List());
  return std::make_unique<DialectAnswer>(*std::move(group), std::move(dialect), std::move(memory), params.stream,
                                         std::move(headers), form);
}

}  // namespace

Answer Tell(Service& service, const HttpRequest& request, std::string api,
            const absl::StatusOr<CompletionParams>& params, const UnknownMembers& unknown,
            std::unique_ptr<Dialect> dialect, ErrorForm form) {
  RequestOrigin origin = OriginOf(request, std::move(api));
  if (!params.ok()) {
    NoteRefusal(service, origin, params.status());
    return ErrorResponse(params.status(), form);
  }
  absl::StatusOr<std::unique_ptr<LiveAnswer>> answer =
      Start(service, request, std::move(origin), *params, unknown, std::move(dialect), form);
  if (!answer.ok()) return ErrorResponse(answer.status(), form);
  service.metrics.OnIgnoredParameters(unknown.ignored);
  return *std::move(answer);
}

EndedBy EndOf(const Finish& finish) {
  if (finish.reason == FinishReason::kLength) return EndedBy::kLength;
  return finish.stop_string ? EndedBy::kStopString : EndedBy::kEndToken;
}

}  // namespace batucada
