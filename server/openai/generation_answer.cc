#include "server/openai/generation_answer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/http/document.h"
#include "server/http/sse.h"
#include "server/json/json_writer.h"
#include "server/openai/best_of.h"

namespace batucada {
namespace {

constexpr size_t kUsualBytes = 1024;  // of an answer, or of an event with what goes with it

// An answer, or an event of it, up to the first of its choices.
std::string Opening(const Envelope& envelope) {
  std::string opening;
  opening.reserve(kUsualBytes / 4);
  JsonWriter json(&opening);
  json.BeginObject();
  json.Key("id").String(envelope.id).Key("object").String(envelope.object).Key("created").Int(envelope.created);
  json.Key("model").String(envelope.model).Key("system_fingerprint").String(envelope.fingerprint);
  json.Key("choices").BeginArray();
  return opening;
}

void WriteUsage(const RequestUsage& usage, JsonWriter& json) {
  json.Key("usage").BeginObject().Key("prompt_tokens").Int(usage.prompt_tokens);
  json.Key("completion_tokens").Int(usage.generated_tokens);
  json.Key("total_tokens").Int(usage.prompt_tokens + usage.generated_tokens);
  json.Key("prompt_tokens_details").BeginObject().Key("cached_tokens").Int(usage.cached_tokens);
  json.Key("cache_write_tokens").Int(usage.cache_write_tokens).EndObject().EndObject();
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
      : choices_(std::move(choices)), opening_(Opening(envelope)), headers_(std::move(envelope.headers)),
        group_(std::move(group)) {}

  void OnReady(std::function<void()> wake) override { group_->OnReady(wake); }

 protected:
  template <typename Look>
  void Poll(Look look) {
    group_->Poll([&](size_t index, Update& update) {
      look(index, update);
      choices_[index]->Take(update);
    });
  }

  Choices choices_;
  const std::string opening_;
  Headers headers_;  // beside what all answers have
  std::unique_ptr<GenerationGroup> group_;
};

class WholeAnswer : public GenerationAnswer {
 public:
  WholeAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope, const Selection& selection)
      : GenerationAnswer(std::move(group), std::move(choices), std::move(envelope)) {
    if (selection.keep < selection.per_prompt) {
      best_.emplace(choices_.size(), selection.per_prompt, selection.keep);
    }
  }

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!document_) {
      Poll([this](size_t index, const Update& update) {
        if (best_) best_->Take(index, update);
      });
      if (!group_->failure().ok()) {
        *head = ErrorResponse(group_->failure());
        return Progress::kDone;
      }
      if (!group_->done()) return Progress::kWaiting;
      if (best_) Pick();
      document_.emplace([this](JsonWriter& json) { return Write(json); });
      *head = HttpResponse{.headers = std::move(headers_), .body = ""};
      (*head)->headers.emplace_back("server-timing", ServerTiming(group_->timings()));
    }
    return document_->Advance(body);
  }

 private:
  // Leaves the choices that the answer tells, in its order.
  void Pick() {
    Choices picked;
    for (const size_t index : best_->Best()) {
      picked.push_back(std::move(choices_[index]));
      picked.back()->SetIndex(static_cast<int64_t>(picked.size()) - 1);
    }
    choices_ = std::move(picked);
  }

  Pieces Write(JsonWriter& json) {
    json.Begin(opening_);
    for (const std::unique_ptr<Choice>& choice : choices_) BATUCADA_WRITE(choice->Write(json));
    json.EndArray();
    for (const std::unique_ptr<Choice>& choice : choices_) BATUCADA_WRITE(choice->WriteBeside(json));
    WriteUsage(group_->usage(), json);
    json.EndObject();
  }

  std::optional<BestOf> best_;
  std::optional<Document> document_;  // once all has ended
};

class StreamedAnswer : public GenerationAnswer {
 public:
  StreamedAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope, UsageEvents usage_events,
                 std::vector<int64_t> prompt_tokens)
      : GenerationAnswer(std::move(group), std::move(choices), std::move(envelope)), usage_events_(usage_events),
        prompt_tokens_(std::move(prompt_tokens)), generated_(choices_.size()) {}

  Progress Advance(std::optional<HttpResponse>* head, std::string* body) override {
    if (!started_) {
      started_ = true;
      *head = EventStreamHead();
      for (auto& header : headers_) (*head)->headers.push_back(std::move(header));
    }
    if (!writing_) {
      Poll([this](size_t index, const Update& update) {
        generated_[index] += static_cast<int64_t>(update.tokens.size());
      });
    }
    while (true) {
      if (writing_ && writing_->Advance(body) == Progress::kMore) return Progress::kMore;
      if (writing_) EndEvent(body);
      writing_.reset();
      const auto next = std::find_if(choices_.begin(), choices_.end(), [](const auto& c) { return c->HasNews(); });
      if (next == choices_.end()) break;
      if (body->size() >= kMostAtOnce) return Progress::kMore;
      if (body->empty()) body->reserve(kUsualBytes);
      BeginEvent(body);
      const auto index = static_cast<size_t>(next - choices_.begin());
      writing_.emplace([this, index](JsonWriter& json) { return WriteChoice(index, json); });
    }
    if (!group_->done()) return Progress::kWaiting;
    if (!group_->failure().ok()) {
      // The status line went out long ago; an event is the only place left for what went wrong. It is the last:
      // OpenAI's clients stop at it, and [DONE] tells the others that the text is whole.
      AppendEvent(ErrorJson(group_->failure()), body);
      return Progress::kDone;
    }
    if (usage_events_ != UsageEvents::kNone) AppendUsage(body);
    AppendDone(body);
    return Progress::kDone;
  }

  void KeepAlive(std::string* body) override { AppendComment("keep-alive", body); }

 private:
  Pieces WriteChoice(size_t index, JsonWriter& json) {
    Choice& choice = *choices_[index];
    json.Begin(opening_);
    BATUCADA_WRITE(choice.Write(json));
    json.EndArray();
    BATUCADA_WRITE(choice.WriteBeside(json));
    if (usage_events_ == UsageEvents::kLast) json.Key("usage").Null();
    if (usage_events_ == UsageEvents::kEvery) {
      // What the cache gave is known of a whole request, when it ends.
      WriteUsage({.prompt_tokens = prompt_tokens_[index], .generated_tokens = generated_[index]}, json);
    }
    json.EndObject();
  }

  void AppendUsage(std::string* body) {
    BeginEvent(body);
    JsonWriter json(body);
    json.Begin(opening_).EndArray();
    WriteUsage(group_->usage(), json);
    json.EndObject();
    EndEvent(body);
  }

  static constexpr size_t kMostAtOnce = 64 << 10;  // bytes of events
  const UsageEvents usage_events_;
  const std::vector<int64_t> prompt_tokens_;  // of each choice
  std::vector<int64_t> generated_;            // tokens of each choice so far
  bool started_ = false;
  std::optional<Document> writing_;  // the event that is being written
};

}  // namespace

std::unique_ptr<LiveAnswer> MakeWholeAnswer(std::unique_ptr<GenerationGroup> group, Choices choices, Envelope envelope,
                                            const Selection& selection) {
  return std::make_unique<WholeAnswer>(std::move(group), std::move(choices), std::move(envelope), selection);
}

std::unique_ptr<LiveAnswer> MakeStreamedAnswer(std::unique_ptr<GenerationGroup> group, Choices choices,
                                               Envelope envelope, UsageEvents usage_events,
                                               std::vector<int64_t> prompt_tokens) {
  return std::make_unique<StreamedAnswer>(std::move(group), std::move(choices), std::move(envelope), usage_events,
                                          std::move(prompt_tokens));
}

}  // namespace batucada
