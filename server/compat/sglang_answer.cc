#include "server/compat/sglang_answer.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
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

  Pieces Whole(const std::vector<Generated>& all, JsonWriter& json) override {
    if (told_of_.list) json.BeginArray();
    for (const Generated& generated : all) BATUCADA_WRITE(Write(generated, /*ended=*/true, json));
    if (told_of_.list) json.EndArray();
  }

  bool Retells() const override { return true; }
  void Piece(const Generated&, const Update&, std::string*) override {}
  void End(const Generated&, std::string*) override {}

  Pieces Retell(const Generated& generated, bool ended, std::string* body) override {
    const size_t size = generated.tokens.size();
    if (!ended && size < told_ + 1 + told_ / kGrowth) co_return;
    told_ = size;
    BeginEvent(body);
    JsonWriter json(body);
    if (told_of_.list) json.BeginArray();
    BATUCADA_WRITE(Write(generated, ended, json));
    if (told_of_.list) json.EndArray();
    EndEvent(body);
    if (ended) AppendDone(body);
  }

  void Fail(const absl::Status& status, std::string* body) override { AppendEvent(ErrorJson(status), body); }
  void KeepAlive(std::string* body) override { AppendComment("keep-alive", body); }

 private:
  Pieces Write(const Generated& generated, bool ended, JsonWriter& json) const {
    json.BeginObject().Key("text");
    BATUCADA_WRITE(json.LongString(generated.text));
    json.Key("output_ids").BeginArray();
    for (const TokenResult& token : generated.tokens) {
      json.Int(token.id);
      if (json.full()) co_yield nullptr;
    }
    json.EndArray().Key("meta_info").BeginObject().Key("id");
    // Each of a list has its own, as SGLang makes them of the request's.
    json.String(told_of_.list ? absl::StrCat(asked().request_id, "_", generated.index) : asked().request_id);
    json.Key("finish_reason");
    ended ? WriteReason(generated, json) : static_cast<void>(json.Null());
    json.Key("prompt_tokens").Int(generated.usage.prompt_tokens);
    json.Key("completion_tokens").Int(generated.usage.generated_tokens);
    json.Key("cached_tokens").Int(generated.usage.cached_tokens).Key("weight_version").String("default");
    if (ended) {
      const RequestTimings& timings = generated.timings;
      json.Key("e2e_latency")
          .Number(static_cast<float>(absl::ToDoubleSeconds(timings.queue + timings.prefill + timings.decode)));
    }
    if (told_of_.scores) BATUCADA_WRITE(WriteScores(generated, json));
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
    } else if (!generated.tokens.empty() && tokenizer_.IsSpecial(generated.tokens.back().id)) {
      json.Int(generated.tokens.back().id);
    } else {
      json.Null();  // a grammar's end
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
  Pieces WriteScores(const Generated& generated, JsonWriter& json) const {
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
      for (size_t i = first; i < scores.size(); ++i) {
        WriteToken(scores[i]->logprob, scores[i]->id, json);
        if (json.full()) co_yield nullptr;
      }
    }
    json.EndArray().Key("output_token_logprobs").BeginArray();
    for (const TokenResult& token : generated.tokens) {
      WriteToken(token.logprob, token.id, json);
      if (json.full()) co_yield nullptr;
    }
    json.EndArray();
    if (told_of_.top == 0) co_return;
    json.Key("input_top_logprobs").BeginArray();
    if (prompt) {
      json.Null();
      for (size_t i = first; i < scores.size(); ++i) {
        WriteTop(*scores[i], json);
        if (json.full()) co_yield nullptr;
      }
    }
    json.EndArray().Key("output_top_logprobs").BeginArray();
    for (const TokenResult& token : generated.tokens) {
      WriteTop(token, json);
      if (json.full()) co_yield nullptr;
    }
    json.EndArray();
  }

  const Tokenizer& tokenizer_;
  const SglangDetails told_of_;
  size_t told_ = 0;  // tokens of a stream
};

}  // namespace

std::unique_ptr<Dialect> MakeSglangDialect(const Tokenizer& tokenizer, const SglangDetails& details) {
  return std::make_unique<SglangDialect>(tokenizer, details);
}

}  // namespace batucada
