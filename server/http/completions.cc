#include "server/http/completions.h"

#include <utility>

#include "absl/time/clock.h"
#include "server/error.h"
#include "server/generation_group.h"
#include "server/http/completion_choice.h"
#include "server/http/completion_request.h"
#include "server/http/sse.h"

namespace batucada {
namespace {

// What every message of one answer repeats.
struct Envelope {
  std::string id;  // "cmpl-…"
  int64_t created = 0;
  std::string model;

  void Write(JsonWriter& json) const {
    json.Key("id").String(id).Key("object").String("text_completion").Key("created").Int(created);
    json.Key("model").String(model);
  }
};

void WriteUsage(const GenerationGroup::Usage& usage, JsonWriter& json) {
  json.Key("usage").BeginObject().Key("prompt_tokens").Int(usage.prompt_tokens);
  json.Key("completion_tokens").Int(usage.generated_tokens);
  json.Key("total_tokens").Int(usage.prompt_tokens + usage.generated_tokens).EndObject();
}

// Everything in one JSON document, once all choices have ended.
class WholeAnswer : public LiveAnswer {
 public:
  WholeAnswer(std::unique_ptr<GenerationGroup> group, std::vector<CompletionChoice> choices, Envelope envelope)
      : choices_(std::move(choices)), envelope_(std::move(envelope)), group_(std::move(group)) {}

  void OnReady(std::function<void()> wake) override { group_->OnReady(wake); }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    group_->Poll([this](size_t index, Update& update) { choices_[index].Take(update); });
    if (!group_->failure().ok()) {
      *head = ErrorResponse(group_->failure());
      return Progress::kDone;
    }
    if (!group_->done()) return Progress::kWaiting;
    head->emplace();
    JsonWriter json(body);
    json.BeginObject();
    envelope_.Write(json);
    json.Key("choices").BeginArray();
    for (CompletionChoice& choice : choices_) choice.Write(json);
    json.EndArray();
    WriteUsage(group_->usage(), json);
    json.EndObject();
    return Progress::kDone;
  }

 private:
  std::vector<CompletionChoice> choices_;
  Envelope envelope_;
  std::unique_ptr<GenerationGroup> group_;
};

// Server-sent events: each wake-up sends one for every choice that has news, all in one write.
class StreamedAnswer : public LiveAnswer {
 public:
  enum class UsageEvent : uint8_t { kOmit, kInclude };

  StreamedAnswer(std::unique_ptr<GenerationGroup> group, std::vector<CompletionChoice> choices, Envelope envelope,
                 UsageEvent usage_event)
      : choices_(std::move(choices)), envelope_(std::move(envelope)), usage_event_(usage_event),
        group_(std::move(group)) {}

  void OnReady(std::function<void()> wake) override { group_->OnReady(wake); }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!started_) {
      started_ = true;
      *head = HttpResponse{.content_type = "text/event-stream; charset=utf-8",
                           .headers = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}},
                           .body = ""};
    }
    group_->Poll([this](size_t index, Update& update) { choices_[index].Take(update); });
    for (CompletionChoice& choice : choices_) {
      if (choice.HasNews()) AppendChoice(choice, body);
    }
    if (!group_->done()) return Progress::kWaiting;
    // The status line went out long ago; an event is the only place left for what went wrong.
    if (!group_->failure().ok()) AppendEvent(ErrorJson(group_->failure()), body);
    if (usage_event_ == UsageEvent::kInclude) AppendUsage(body);
    AppendDone(body);
    return Progress::kDone;
  }

 private:
  void AppendChoice(CompletionChoice& choice, std::string* body) {
    event_.clear();
    JsonWriter json(&event_);
    json.BeginObject();
    envelope_.Write(json);
    json.Key("choices").BeginArray();
    choice.Write(json);
    json.EndArray();
    if (usage_event_ == UsageEvent::kInclude) json.Key("usage").Null();
    json.EndObject();
    AppendEvent(event_, body);
  }

  void AppendUsage(std::string* body) {
    event_.clear();
    JsonWriter json(&event_);
    json.BeginObject();
    envelope_.Write(json);
    json.Key("choices").BeginArray().EndArray();
    WriteUsage(group_->usage(), json);
    json.EndObject();
    AppendEvent(event_, body);
  }

  std::vector<CompletionChoice> choices_;
  Envelope envelope_;
  UsageEvent usage_event_;
  bool started_ = false;
  std::string event_;  // kept for its capacity
  std::unique_ptr<GenerationGroup> group_;
};

Answer Refuse(Service& service, const RequestOrigin& origin, const absl::Status& status) {
  NoteRefusal(service, origin, status);
  return ErrorResponse(status);
}

std::vector<CompletionChoice> MakeChoices(const CompletionParams& params, const Translation& translation,
                                          const Tokenizer& tokenizer) {
  const CompletionChoice::Options options = {.logprobs = params.logprobs.has_value(),
                                             .prompt_logprobs = params.prompt_logprobs.has_value(),
                                             .echo = params.echo,
                                             .return_token_ids = params.return_token_ids};
  const bool keep_prompt = params.return_token_ids || (params.echo && params.logprobs);
  std::vector<CompletionChoice> choices;
  for (size_t i = 0; i < translation.choices(); ++i) {
    const size_t prompt = translation.PromptOf(i);
    choices.emplace_back(static_cast<int64_t>(i), options, tokenizer,
                         keep_prompt ? translation.requests[prompt].prompt : std::vector<int32_t>(),
                         params.echo ? translation.prompt_text[prompt] : std::string());
  }
  return choices;
}

}  // namespace

Answer HandleCompletions(Service& service, const HttpRequest& request) {
  const RequestOrigin origin = {.api = "completions", .request_id = request.request_id};
  absl::StatusOr<CompletionParams> params = ParseCompletionRequest(request.body);
  if (!params.ok()) return Refuse(service, origin, params.status());
  if (params->stream && params->prompt_logprobs) {
    return Refuse(service, origin,
                  InvalidParameter("prompt_logprobs",
                                   "prompt_logprobs is not available with \"stream\": true: "
                                   "leave one of them out",
                                   "unsupported_parameter"));
  }
  absl::StatusOr<Translation> translation = Translate(*params, service.translation());
  if (!translation.ok()) return Refuse(service, origin, translation.status());

  std::vector<CompletionChoice> choices = MakeChoices(*params, *translation, service.engine.tokenizer());
  Envelope envelope = {.id = "cmpl-" + request.request_id,
                       .created = absl::ToUnixSeconds(absl::Now()),
                       .model = std::move(translation->model)};
  absl::StatusOr<std::unique_ptr<GenerationGroup>> group =
      GenerationGroup::Submit(service, *std::move(translation), origin);
  if (!group.ok()) return ErrorResponse(group.status());
  if (!params->stream) {
    return std::make_unique<WholeAnswer>(*std::move(group), std::move(choices), std::move(envelope));
  }
  return std::make_unique<StreamedAnswer>(
      *std::move(group), std::move(choices), std::move(envelope),
      params->include_usage ? StreamedAnswer::UsageEvent::kInclude : StreamedAnswer::UsageEvent::kOmit);
}

}  // namespace batucada
