#include "server/http/generation_answer.h"

#include <utility>

#include <fmt/format.h>

#include "server/error.h"
#include "server/http/handover.h"
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

// A whole answer that is only to be written.
struct Ended {
  Choices choices;
  Envelope envelope;
  RequestUsage usage;
  RequestTimings timings;

  HttpResponse Write() const {
    HttpResponse response = {.headers = {{"server-timing", ServerTiming(timings)}}, .body = ""};
    JsonWriter json(&response.body);
    json.BeginObject();
    WriteEnvelope(envelope, json);
    json.Key("choices").BeginArray();
    for (const std::unique_ptr<Choice>& choice : choices) choice->Write(json);
    json.EndArray();
    for (const std::unique_ptr<Choice>& choice : choices) choice->WriteBeside(json);
    WriteUsage(usage, json);
    json.EndObject();
    return response;
  }
};

// Up to so many tokens an answer is written where it is sent; more could hold up the thread's other connections.
constexpr int64_t kInlineTokens = 20'000;
constexpr int64_t kBytesPerToken = 64;  // of an answer that tells every token's log-probability, about

class WholeAnswer : public GenerationAnswer {
 public:
  WholeAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope, WorkPool& workers,
              const Client& client)
      : GenerationAnswer(std::move(group), std::move(choices), std::move(envelope)), workers_(workers),
        client_(client) {}
  ~WholeAnswer() override {
    if (writing_ != nullptr) writing_->Abandon();
  }

  void OnReady(std::function<void()> wake) override {
    wake_ = wake;
    GenerationAnswer::OnReady(std::move(wake));
  }

  Progress Advance(std::optional<HttpResponse>* head, std::string*) override {
    if (writing_ == nullptr) {
      Poll();
      if (!group_->failure().ok()) {
        *head = ErrorResponse(group_->failure());
        return Progress::kDone;
      }
      if (!group_->done()) return Progress::kWaiting;
      Write();
    }
    std::optional<Answer> written = writing_->Take();
    if (!written) return Progress::kWaiting;
    *head = std::get<HttpResponse>(*std::move(written));
    return Progress::kDone;
  }

 private:
  void Write() {
    writing_ = std::make_shared<Handover>();
    const auto ended = std::make_shared<Ended>(Ended{
        .choices = std::move(choices_), .envelope = envelope_, .usage = group_->usage(), .timings = group_->timings()});
    const int64_t tokens = ended->usage.prompt_tokens + ended->usage.generated_tokens;
    if (tokens > kInlineTokens) {
      writing_->OnReady(wake_);
      const absl::Status posted = workers_.TryPost(client_, tokens * kBytesPerToken, [ended, writing = writing_] {
        if (!writing->abandoned()) writing->Put(ended->Write());
      });
      if (posted.ok()) return;
    }
    writing_->Put(ended->Write());
  }

  WorkPool& workers_;
  const Client client_;
  std::function<void()> wake_;
  std::shared_ptr<Handover> writing_;  // once all has ended
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
    Poll();
    for (const std::unique_ptr<Choice>& choice : choices_) {
      while (choice->HasNews()) AppendChoice(*choice, body);
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
  void AppendChoice(Choice& choice, std::string* body) {
    event_.clear();
    JsonWriter json(&event_);
    json.BeginObject();
    WriteEnvelope(envelope_, json);
    json.Key("choices").BeginArray();
    choice.Write(json);
    json.EndArray();
    choice.WriteBeside(json);
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

std::unique_ptr<LiveAnswer> MakeWholeAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope,
                                            WorkPool& workers, const Client& client) {
  return std::make_unique<WholeAnswer>(std::move(group), std::move(choices), std::move(envelope), workers, client);
}

std::unique_ptr<LiveAnswer> MakeStreamedAnswer(std::unique_ptr<GenerationGroup> group, Choices choices,
                                               Envelope envelope, UsageEvent usage_event) {
  return std::make_unique<StreamedAnswer>(std::move(group), std::move(choices), std::move(envelope), usage_event);
}

}  // namespace batucada
