#include "server/compat/sglang_answer.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/common/error.h"
#include "server/http/sse.h"
#include "server/json/json_writer.h"
#include "server/openai/logprobs_json.h"

namespace batucada {
namespace {

// Of a stream's text, the part by which it grows before it is told again: so that all events together are a bounded
// multiple of the text, and not its square. Up to this many tokens every one is told.
constexpr size_t kGrowth = 1024;

class SglangDialect : public Dialect {
 public:
  SglangDialect(const Tokenizer& tokenizer, const SglangDetails& details) : tokenizer_(tokenizer), told_of_(details) {}

  bool KeepsTokens() const override { return true; }

  std::string Whole(const Generated& generated) override { return WholeOf({generated}); }

  std::string WholeOf(const std::vector<Generated>& all) override {
    std::string body;
    JsonWriter json(&body);
    if (told_of_.list) json.BeginArray();
    for (const Generated& generated : all) {
      std::vector<int32_t> ids;
      ids.reserve(generated.tokens.size());
      for (const TokenResult& token : generated.tokens) ids.push_back(token.id);
      Write(generated, ids, Ended::kYes, json);
    }
    if (told_of_.list) json.EndArray();
    return body;
  }

  void Piece(const Generated& generated, const Update& update, std::string* body) override {
    for (const TokenResult& token : update.tokens) ids_.push_back(token.id);
    if (update.finish || ids_.size() < told_ + 1 + told_ / kGrowth) return;
    told_ = ids_.size();
    AppendText(generated, Ended::kNo, body);
  }

  void End(const Generated& generated, std::string* body) override {
    AppendText(generated, Ended::kYes, body);
    AppendDone(body);
  }

  void Fail(const absl::Status& status, std::string* body) override { AppendEvent(ErrorJson(status), body); }
  void KeepAlive(std::string* body) override { AppendComment("keep-alive", body); }

 private:
  enum class Ended : uint8_t { kNo, kYes };

  void AppendText(const Generated& generated, Ended ended, std::string* body) const {
    BeginEvent(body);
    JsonWriter json(body);
    if (told_of_.list) json.BeginArray();
    Write(generated, ids_, ended, json);
    if (told_of_.list) json.EndArray();
    EndEvent(body);
  }

  void Write(const Generated& generated, const std::vector<int32_t>& ids, Ended ended, JsonWriter& json) const {
    json.BeginObject().Key("text").String(generated.text).Key("output_ids").BeginArray();
    for (const int32_t id : ids) json.Int(id);
    json.EndArray().Key("meta_info").BeginObject().Key("id").String(asked().request_id).Key("finish_reason");
    ended == Ended::kYes ? WriteReason(generated, json) : static_cast<void>(json.Null());
    json.Key("prompt_tokens").Int(generated.usage.prompt_tokens);
    json.Key("completion_tokens").Int(generated.usage.generated_tokens);
    json.Key("cached_tokens").Int(generated.usage.cached_tokens).Key("weight_version").String("default");
    if (ended == Ended::kYes) {
      const RequestTimings& timings = generated.timings;
      json.Key("e2e_latency")
          .Number(static_cast<float>(absl::ToDoubleSeconds(timings.queue + timings.prefill + timings.decode)));
    }
    if (told_of_.scores) WriteScores(generated, json);
    json.EndObject().EndObject();
  }

  void WriteReason(const Generated& generated, JsonWriter& json) const {
    const Finish& finish = generated.finish;
    if (EndOf(finish) == EndedBy::kLength) {
      json.BeginObject().Key("type").String("length").Key("length").Int(generated.usage.generated_tokens).EndObject();
      return;
    }
    json.BeginObject().Key("type").String("stop").Key("matched");
    if (finish.stop_string) {
      json.String(*finish.stop_string);
    } else if (finish.stop_token) {
      json.Int(*finish.stop_token);
    } else if (!generated.tokens.empty()) {
      json.Int(generated.tokens.back().id);
    } else {
      json.Null();
    }
    json.EndObject();
  }

  // [log-probability, id, text or null]
  void WriteToken(std::optional<float> logprob, int32_t id, JsonWriter& json) const {
    json.BeginArray();
    logprob ? json.Number(*logprob) : json.Null();
    json.Int(id);
    told_of_.token_texts ? json.String(TokenString(tokenizer_, id)) : json.Null();
    json.EndArray();
  }

  void WriteTop(const TokenResult& token, JsonWriter& json) const {
    json.BeginArray();
    for (const TokenLogprob& top : token.top) WriteToken(top.logprob, top.id, json);
    json.EndArray();
  }

  // Of the prompt's tokens from the first that is told of on, which itself is not scored, as SGLang has it.
  void WriteScores(const Generated& generated, JsonWriter& json) const {
    std::vector<const TokenResult*> scores;
    for (const SharedArray<TokenResult>& piece : generated.prompt_scores) {
      for (const TokenResult& token : piece) scores.push_back(&token);
    }
    const auto first = static_cast<size_t>(told_of_.first_score);
    const bool prompt = told_of_.first_score >= 0 && first <= scores.size();
    const auto first_id = [&] { return first == 0 ? asked().PromptOf(generated).front() : scores[first - 1]->id; };
    json.Key("input_token_logprobs").BeginArray();
    if (prompt) {
      WriteToken(std::nullopt, first_id(), json);
      for (size_t i = first; i < scores.size(); ++i) WriteToken(scores[i]->logprob, scores[i]->id, json);
    }
    json.EndArray().Key("output_token_logprobs").BeginArray();
    for (const TokenResult& token : generated.tokens) WriteToken(token.logprob, token.id, json);
    json.EndArray();
    if (told_of_.top == 0) return;
    json.Key("input_top_logprobs").BeginArray();
    if (prompt) {
      json.Null();
      for (size_t i = first; i < scores.size(); ++i) WriteTop(*scores[i], json);
    }
    json.EndArray().Key("output_top_logprobs").BeginArray();
    for (const TokenResult& token : generated.tokens) WriteTop(token, json);
    json.EndArray();
  }

  const Tokenizer& tokenizer_;
  const SglangDetails told_of_;
  std::vector<int32_t> ids_;  // of a stream
  size_t told_ = 0;           // of those
};

}  // namespace

std::unique_ptr<Dialect> MakeSglangDialect(const Tokenizer& tokenizer, const SglangDetails& details) {
  return std::make_unique<SglangDialect>(tokenizer, details);
}

}  // namespace batucada
