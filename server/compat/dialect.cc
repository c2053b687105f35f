#include "server/compat/dialect.h"

#include <iterator>
#include <optional>
#include <utility>
#include <variant>

#include "base/status.h"
#include "server/common/request_id.h"
#include "server/generate/translate.h"
#include "server/http/document.h"
#include "server/http/request_origin.h"
#include "server/http/sse.h"

namespace batucada {
namespace {

class DialectAnswer : public LiveAnswer {
 public:
  // `memory` is charged for the prompt, if it is kept. `generated`: with what is known of each before it begins.
  DialectAnswer(std::unique_ptr<GenerationGroup> group, std::unique_ptr<Dialect> dialect, MemoryCharge memory,
                std::vector<Generated> generated, bool streams, Headers headers, ErrorForm form)
      : memory_(std::move(memory)), group_(std::move(group)), dialect_(std::move(dialect)), streams_(streams),
        headers_(std::move(headers)), form_(form), generated_(std::move(generated)) {
    group_->KeepWhole();
  }

  void OnReady(std::function<void()> wake) override { group_->OnReady(wake); }

  // What is being written is written on before more is taken: it refers to all that there is.
  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (document_) return document_->Advance(body);
    if (retelling_ && WriteOn(body) == Progress::kMore) return Progress::kMore;
    if (ended_) return Progress::kDone;
    if (streams_ && !std::exchange(began_, true)) {
      *head = EventStreamHead();
      (*head)->content_type = dialect_->stream_type();
      (*head)->headers.insert((*head)->headers.end(), headers_.begin(), headers_.end());
      dialect_->Start(body);
    }
    group_->Poll([&](size_t index, Update& update) { Take(generated_[index], update, body); });
    ended_ = group_->done();
    if (!ended_) return dialect_->Retells() && streams_ ? Retell(body) : Progress::kWaiting;
    for (Generated& generated : generated_) generated.timings = group_->timings();
    const absl::Status& failure = group_->failure();
    if (streams_ && failure.ok()) {
      for (const Generated& generated : generated_) dialect_->End(generated, body);
      return dialect_->Retells() ? Retell(body) : Progress::kDone;
    }
    if (streams_) {
      dialect_->Fail(failure, body);
    } else if (failure.ok()) {
      document_.emplace([this](JsonWriter& json) { return dialect_->Whole(generated_, json); });
      *head = HttpResponse{.headers = headers_, .body = ""};
      return document_->Advance(body);
    } else {
      *head = ErrorResponse(failure, form_);
    }
    return Progress::kDone;
  }

  void KeepAlive(std::string* body) override { dialect_->KeepAlive(body); }

 private:
  Progress Retell(std::string* body) {
    retelling_.emplace(RetellAll());
    const Progress progress = WriteOn(body);
    return progress == Progress::kMore ? progress : ended_ ? Progress::kDone : Progress::kWaiting;
  }

  Pieces RetellAll() {
    for (const Generated& generated : generated_) BATUCADA_WRITE(dialect_->Retell(generated, ended_, &retold_));
  }

  Progress WriteOn(std::string* body) {
    const bool more = retelling_->Next();
    *body += retold_;
    retold_.clear();
    if (!more) retelling_.reset();
    return more ? Progress::kMore : Progress::kDone;
  }

  void Take(Generated& generated, Update& update, std::string* body) {
    generated.text += update.text;
    generated.usage.generated_tokens += static_cast<int64_t>(update.tokens.size());
    if (streams_ && (!update.text.empty() || !update.tokens.empty())) dialect_->Piece(generated, update, body);
    if (update.finish) {
      generated.finish = *update.finish;
      generated.usage.cached_tokens = update.finish->cached_tokens;
      generated.usage.cache_write_tokens = update.finish->cache_write_tokens;
    }
    if (!dialect_->KeepsTokens()) return;
    if (!update.prompt_logprobs.empty()) generated.prompt_scores.push_back(update.prompt_logprobs);
    std::move(update.tokens.begin(), update.tokens.end(), std::back_inserter(generated.tokens));
  }

  const MemoryCharge memory_;
  std::unique_ptr<GenerationGroup> group_;
  std::unique_ptr<Dialect> dialect_;
  const bool streams_;
  const Headers headers_;
  const ErrorForm form_;
  bool began_ = false, ended_ = false;
  std::vector<Generated> generated_;
  std::string retold_;               // of what is being told again, what has yet to be written
  std::optional<Pieces> retelling_;  // of a stream
  std::optional<Document> document_;
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
  Asked asked = {.request_id = origin.request_id,
                 .model = translation->model,
                 .prompt = {},
                 .prompts = {},
                 .texts_per_prompt = static_cast<size_t>(translation->choices_per_prompt),
                 .sampling = first.sampling,
                 .max_tokens = first.max_tokens,
                 .prompt_tokens = static_cast<int64_t>(first.prompt.size()),
                 .answer = translation->answer,
                 .last_breakpoint = first.breakpoints.empty() ? 0 : first.breakpoints.vector().back()};
  for (const Request& one : translation->requests) asked.prompts.push_back(one.prompt);
  const std::string* text = params.prompts.empty() ? nullptr : std::get_if<std::string>(&params.prompts.front());
  MemoryCharge memory;
  if (text != nullptr && dialect->KeepsPrompt()) {
    BATUCADA_ASSIGN_OR_RETURN(memory, service.memory.Charge(MemoryPart::kAnswer, static_cast<int64_t>(text->size())));
    asked.prompt = *text;
  }
  dialect->Begin(std::move(asked));
  std::vector<Generated> generated(translation->choices());
  for (size_t i = 0; i < generated.size(); ++i) {
    generated[i].index = i;
    generated[i].usage.prompt_tokens =
        static_cast<int64_t>(translation->requests[translation->PromptOf(i)].prompt.size());
  }
  std::string own_id = origin.request_id == request.request_id ? std::string() : origin.request_id;
  absl::StatusOr<std::unique_ptr<GenerationGroup>> group = GenerationGroup::Submit(
      service, *std::move(translation), std::move(origin), params.stream ? Reader::kClient : Reader::kServer);
  if (!group.ok()) return group.status();
  Headers headers;
  if (unknown.ignored > 0) headers.emplace_back(kIgnoredParameters, unknown.List());
  if (!own_id.empty()) headers.emplace_back("x-request-id", std::move(own_id));
  return std::make_unique<DialectAnswer>(*std::move(group), std::move(dialect), std::move(memory), std::move(generated),
                                         params.stream, std::move(headers), form);
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
  // A header is what proxies and logs on the way know the request by.
  if (!params->request_id.empty() && !IsSoundRequestId(request.Header("x-request-id"))) {
    origin.request_id = params->request_id;
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
