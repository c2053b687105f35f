#include "server/http/generation_answer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/error.h"
#include "server/http/document.h"
#include "server/http/sse.h"
#include "server/json_writer.h"

namespace batucada {
namespace {

void WriteEnvelope(const Envelope& envelope, JsonWriter& json) {
  json.Key("id").String(envelope.id).Key("object").String(envelope.object).Key("created").Int(envelope.created);
  json.Key("model").String(envelope.model);
}

void WriteUsage(const RequestUsage& usage, JsonWriter& json) {
  json.Key("usage").BeginObject().Key("prompt_tokens").Int(usage.prompt_tokens);
  json.Key("completion_tokens").Int(usage.generated_tokens);
  json.Key("total_tokens").Int(usage.prompt_tokens + usage.generated_tokens).EndObject();
}

// In milliseconds, as W3C's Server Timing has it.
std::string ServerTiming(const RequestTimings& timings) {
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
  WholeAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope)
      : GenerationAnswer(std::move(group), std::move(choices), std::move(envelope)) {
    group_->KeepWhole();
  }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!document_) {
      Poll();
      if (!group_->failure().ok()) {
        *head = ErrorResponse(group_->failure());
        return Progress::kDone;
      }
      if (!group_->done()) return Progress::kWaiting;
      document_.emplace([this](JsonWriter& json) { return Write(json); });
      *head = HttpResponse{.headers = {{"server-timing", ServerTiming(group_->timings())}}, .body = ""};
    }
    return document_->Advance(body);
  }

 private:
  Pieces Write(JsonWriter& json) {
    json.BeginObject();
    WriteEnvelope(envelope_, json);
    json.Key("choices").BeginArray();
    for (const std::unique_ptr<Choice>& choice : choices_) BATUCADA_WRITE(choice->Write(json));
    json.EndArray();
    for (const std::unique_ptr<Choice>& choice : choices_) BATUCADA_WRITE(choice->WriteBeside(json));
    WriteUsage(group_->usage(), json);
    json.EndObject();
  }

  std::optional<Document> document_;  // once all has ended
};

class StreamedAnswer : public GenerationAnswer {
 public:
  StreamedAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope, UsageEvent usage_event)
      : GenerationAnswer(std::move(group), std::move(choices), std::move(envelope)), usage_event_(usage_event) {}

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!started_) {
      started_ = true;
      *head = EventStreamHead();
    }
    if (!writing_) Poll();
    while (true) {
      if (writing_ && writing_->Advance(body) == Progress::kMore) return Progress::kMore;
      if (writing_) EndEvent(body);
      writing_.reset();
      const auto next = std::find_if(choices_.begin(), choices_.end(), [](const auto& c) { return c->HasNews(); });
      if (next == choices_.end()) break;
      if (body->size() >= kMostAtOnce) return Progress::kMore;
      BeginEvent(body);
      writing_.emplace([this, &choice = **next](JsonWriter& json) { return WriteChoice(choice, json); });
    }
    if (!group_->done()) return Progress::kWaiting;
    if (!group_->failure().ok()) {
      // The status line went out long ago; an event is the only place left for what went wrong. It is the last:
      // OpenAI's clients stop at it, and [DONE] tells the others that the text is whole.
      AppendEvent(ErrorJson(group_->failure()), body);
      return Progress::kDone;
    }
    if (usage_event_ == UsageEvent::kInclude) AppendUsage(body);
    AppendDone(body);
    return Progress::kDone;
  }

  void KeepAlive(std::string* body) override { AppendComment("keep-alive", body); }

 private:
  Pieces WriteChoice(Choice& choice, JsonWriter& json) {
    json.BeginObject();
    WriteEnvelope(envelope_, json);
    json.Key("choices").BeginArray();
    BATUCADA_WRITE(choice.Write(json));
    json.EndArray();
    BATUCADA_WRITE(choice.WriteBeside(json));
    if (usage_event_ == UsageEvent::kInclude) json.Key("usage").Null();
    json.EndObject();
  }

  void AppendUsage(std::string* body) {
    std::string event;
    JsonWriter json(&event);
    json.BeginObject();
    WriteEnvelope(envelope_, json);
    json.Key("choices").BeginArray().EndArray();
    WriteUsage(group_->usage(), json);
    json.EndObject();
    AppendEvent(event, body);
  }

  static constexpr size_t kMostAtOnce = 64 << 10;  // bytes of events
  const UsageEvent usage_event_;
  bool started_ = false;
  std::optional<Document> writing_;  // the event that is being written
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
