#include "server/compat/llama_answer.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/http/sse.h"
#include "server/json/json_writer.h"
#include "server/openai/logprobs_json.h"

namespace batucada {
namespace {

class LlamaDialect : public Dialect {
 public:
  LlamaDialect(const Tokenizer& tokenizer, LlamaDetails details) : tokenizer_(tokenizer), details_(details) {}

  bool KeepsTokens() const override { return details_.ids || details_.probabilities; }

  Pieces Whole(const std::vector<Generated>& all, JsonWriter& json) override {
    if (all.size() > 1) json.BeginArray();
    for (const Generated& generated : all) {
      json.BeginObject();
      BATUCADA_WRITE(WritePiece(generated.index, generated.text, generated.tokens, json));
      WriteEnd(generated, json);
      json.EndObject();
    }
    if (all.size() > 1) json.EndArray();
  }

  void Piece(const Generated& generated, const Update& update, std::string* body) override {
    std::string event;
    JsonWriter json(&event);
    json.BeginObject();
    WritePiece(generated.index, update.text, update.tokens, json).Finish();
    json.Key("stop").Bool(false).Key("tokens_predicted").Int(generated.usage.generated_tokens);
    json.Key("tokens_evaluated").Int(generated.usage.prompt_tokens).EndObject();
    AppendEvent(event, body);
  }

  void End(const Generated& generated, std::string* body) override {
    std::string event;
    JsonWriter json(&event);
    json.BeginObject();
    WritePiece(generated.index, "", {}, json).Finish();
    WriteEnd(generated, json);
    json.EndObject();
    AppendEvent(event, body);
  }

  void Fail(const absl::Status& status, std::string* body) override { AppendEvent(ErrorJson(status), body); }
  void KeepAlive(std::string* body) override { AppendComment("keep-alive", body); }

 private:
  void WriteProbability(int32_t id, float logprob, JsonWriter& json) const {
    json.Key("id").Int(id).Key("token").String(TokenString(tokenizer_, id)).Key("bytes").BeginArray();
    for (const char byte : tokenizer_.TokenBytes(id)) json.Int(static_cast<unsigned char>(byte));
    json.EndArray().Key("logprob").Number(logprob);
  }

  // What is given outlives the pieces.
  Pieces WritePiece(size_t index, std::string_view text, std::span<const TokenResult> tokens, JsonWriter& json) const {
    json.Key("index").Int(static_cast<int64_t>(index)).Key("content");
    BATUCADA_WRITE(json.LongString(text));
    json.Key("id_slot").Int(-1).Key("tokens").BeginArray();
    for (const TokenResult& token : tokens) {
      if (details_.ids) json.Int(token.id);
      if (json.full()) co_yield nullptr;
    }
    json.EndArray();
    if (!details_.probabilities) co_return;
    json.Key("completion_probabilities").BeginArray();
    for (const TokenResult& token : tokens) {
      json.BeginObject();
      WriteProbability(token.id, token.logprob, json);
      json.Key("top_logprobs").BeginArray();
      for (const TokenLogprob& top : token.top) {
        json.BeginObject();
        WriteProbability(top.id, top.logprob, json);
        json.EndObject();
      }
      json.EndArray().EndObject();
      if (json.full()) co_yield nullptr;
    }
    json.EndArray();
  }

  void WriteEnd(const Generated& generated, JsonWriter& json) const {
    const SamplingParams& sampling = asked().sampling;
    json.Key("stop").Bool(true).Key("model").String(asked().model);
    json.Key("tokens_predicted").Int(generated.usage.generated_tokens);
    json.Key("tokens_evaluated")
        .Int(generated.usage.prompt_tokens)
        .Key("tokens_cached")
        .Int(generated.usage.cached_tokens);
    json.Key("truncated").Bool(false).Key("has_new_line").Bool(generated.text.find('\n') != std::string::npos);
    const EndedBy by = EndOf(generated.finish);
    json.Key("stop_type").String(by == EndedBy::kLength ? "limit" : by == EndedBy::kStopString ? "word" : "eos");
    json.Key("stopping_word").String(generated.finish.stop_string.value_or(""));
    json.Key("generation_settings").BeginObject().Key("n_predict").Int(asked().max_tokens);
    json.Key("temperature").Number(sampling.temperature).Key("top_k").Int(sampling.top_k);
    json.Key("top_p").Number(sampling.top_p).Key("min_p").Number(sampling.min_p);
    json.Key("seed").Int(static_cast<int64_t>(sampling.seed)).EndObject();
    WriteTimings(generated, json);
  }

  static void WriteTimings(const Generated& generated, JsonWriter& json) {
    json.Key("timings").BeginObject();
    const auto write = [&json](std::string_view name, int64_t tokens, absl::Duration time) {
      const double seconds = absl::ToDoubleSeconds(time);
      const auto per = [](double amount, double of) { return static_cast<float>(of > 0 ? amount / of : 0); };
      json.Key(fmt::format("{}_n", name)).Int(tokens);
      json.Key(fmt::format("{}_ms", name)).Number(static_cast<float>(1e3 * seconds));
      json.Key(fmt::format("{}_per_token_ms", name)).Number(per(1e3 * seconds, static_cast<double>(tokens)));
      json.Key(fmt::format("{}_per_second", name)).Number(per(static_cast<double>(tokens), seconds));
    };
    write("prompt", generated.usage.prompt_tokens, generated.timings.prefill);
    write("predicted", generated.usage.generated_tokens, generated.timings.decode);
    json.EndObject();
  }

  const Tokenizer& tokenizer_;
  const LlamaDetails details_;
};

}  // namespace

std::unique_ptr<Dialect> MakeLlamaDialect(const Tokenizer& tokenizer, LlamaDetails details) {
  return std::make_unique<LlamaDialect>(tokenizer, details);
}

}  // namespace batucada
