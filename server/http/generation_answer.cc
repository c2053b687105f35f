#include "server/http/generation_answer.h"

#include <utility>

#include <fmt/format.h>

#include "server/error.h"
#include "server/http/sse.h"
#include "server/json_writer.h"

namespace batucada {
namespace {

void WriteEnvelope(const Envelope& envelope, JsonWriter& json) {
  json.Key("id").String(envelope.id).Key("object").String(envelope.object).Key("created").Int(envelope.created);
  json.Key("model").String(envelope.model);
}

void WriteUsage(const GenerationGroup::Usage& usage, JsonWriter& json) {
  json.Key("usage").BeginObject().Key("prompt_tokens").Int(usage.prompt_tokens);
  json.Key("completion_tokens").Int(usage.generated_tokens);
  json.Key("total_tokens").Int(usage.prompt_tokens + usage.generated_tokens).EndObject();
}

// In milliseconds, as W3C's Server Timing has it.
std::string ServerTiming(const GenerationGroup::Timings& timings) {
  return fmt::format("queue;dur={:.1f}, prefill;dur={:.1f}, decode;dur={:.1f}",
                     absl::ToDoubleMilliseconds(timings.queue), absl::ToDoubleMilliseconds(timings.prefill),
                     absl::ToDoubleMilliseconds(timings.decode));
}

class GenerationAnswer : public LiveAnswer {
 public:
  GenerationAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope)
      : choices_(std::move(choices)), envelope_(std::move(envelope)), group_(std::move(group)) {}

  void OnReady(std::function<void()> wake) override { group_->OnReady(wake); }

 protected:
  void Poll() {
    group_->Poll([this](size_t index, Update& update) { choices_[index]->Take(update); });
  }

  Choices choices_;
  const Envelope envelope_;
  std::unique_ptr<GenerationGroup> group_;
};

class WholeAnswer : public GenerationAnswer {
 public:
  using GenerationAnswer::GenerationAnswer;

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    Poll();
    if (!group_->failure().ok()) {
      *head = ErrorResponse(group_->failure());
      return Progress::kDone;
    }
    if (!group_->done()) return Progress::kWaiting;
    *head = HttpResponse{.headers = {{"server-timing", ServerTiming(group_->timings())}}, .body = ""};
    JsonWriter json(body);
    json.BeginObject();
    WriteEnvelope(envelope_, json);
    json.Key("choices").BeginArray();
    for (const std::unique_ptr<Choice>& choice : choices_) choice->Write(json);
    json.EndArray();
    WriteUsage(group_->usage(), json);
    json.EndObject();
    return Progress::kDone;
  }
};

class StreamedAnswer : public GenerationAnswer {
 public:
  StreamedAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope, UsageEvent usage_event)
      : GenerationAnswer(std::move(group), std::move(choices), std::move(envelope)), usage_event_(usage_event) {}

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!started_) {
      started_ = true;
      *head = HttpResponse{.content_type = "text/event-stream; charset=utf-8",
                           .headers = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}},
                           .body = ""};
    }
    Poll();
    for (const std::unique_ptr<Choice>& choice : choices_) {
      while (choice->HasNews()) AppendChoice(*choice, body);
    }
    if (!group_->done()) return Progress::kWaiting;
    // The status line went out long ago; an event is the only place left for what went wrong.
    if (!group_->failure().ok()) AppendEvent(ErrorJson(group_->failure()), body);
    if (usage_event_ == UsageEvent::kInclude) AppendUsage(body);
    AppendDone(body);
    return Progress::kDone;
  }

  void KeepAlive(std::string* body) override { AppendComment("keep-alive", body); }

 private:
  void AppendChoice(Choice& choice, std::string* body) {
    event_.clear();
    JsonWriter json(&event_);
    json.BeginObject();
    WriteEnvelope(envelope_, json);
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
    WriteEnvelope(envelope_, json);
    json.Key("choices").BeginArray().EndArray();
    WriteUsage(group_->usage(), json);
    json.EndObject();
    AppendEvent(event_, body);
  }

  const UsageEvent usage_event_;
  bool started_ = false;
  std::string event_;  // kept for its capacity
};

}  // namespace

std::unique_ptr<LiveAnswer> MakeWholeAnswer(std::unique_ptr<GenerationGroup> group, Choices choices,
                                            Envelope envelope) {
  return std::make_unique<WholeAnswer>(std::move(group), std::move(choices), std::move(envelope));
}

std::unique_ptr<LiveAnswer> MakeStreamedAnswer(std::unique_ptr<GenerationGroup> group, Choices choices,
                                               Envelope envelope, UsageEvent usage_event) {
  return std::make_unique<StreamedAnswer>(std::move(group), std::move(choices), std::move(envelope), usage_event);
}

}  // namespace batucada
