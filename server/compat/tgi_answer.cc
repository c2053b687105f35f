#include "server/compat/tgi_answer.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/common/error.h"
#include "server/generate/translate.h"
#include "server/http/sse.h"
#include "server/json/json_writer.h"
#include "server/openai/logprobs_json.h"

namespace batucada {
namespace {

double MeanLogprob(const Generated& generated) {
  if (generated.tokens.empty()) return 0;
  const double sum = std::accumulate(generated.tokens.begin(), generated.tokens.end(), 0.0,
                                     [](double all, const TokenResult& token) { return all + token.logprob; });
  return sum / static_cast<double>(generated.tokens.size());
}

std::string_view ReasonOf(const Finish& finish) {
  switch (EndOf(finish)) {
    case EndedBy::kLength: return "length";
    case EndedBy::kStopString: return "stop_sequence";
    case EndedBy::kEndToken: break;
  }
  return "eos_token";
}

class TgiDialect : public Dialect {
 public:
  TgiDialect(const Tokenizer& tokenizer, TgiForm form, const TgiDetails& details)
      : tokenizer_(tokenizer), form_(form), told_of_(details) {}

  bool KeepsPrompt() const override { return told_of_.full_text; }
  bool KeepsTokens() const override { return told_of_.tokens || told_of_.several; }

  Pieces Whole(const std::vector<Generated>& all, JsonWriter& json) override {
    const Generated& best = *std::max_element(
        all.begin(), all.end(), [](const Generated& a, const Generated& b) { return MeanLogprob(a) < MeanLogprob(b); });
    if (form_ == TgiForm::kList) json.BeginArray();
    json.BeginObject().Key("generated_text");
    BATUCADA_WRITE(WriteShown(best, json));
    if (told_of_.tokens) {
      json.Key("details").BeginObject();
      BATUCADA_WRITE(WriteDetails(best, json));
      if (all.size() > 1) {
        json.Key("best_of_sequences").BeginArray();
        for (const Generated& other : all) {
          if (&other == &best) continue;
          json.BeginObject().Key("generated_text");
          BATUCADA_WRITE(WriteShown(other, json));
          BATUCADA_WRITE(WriteDetails(other, json));
          json.EndObject();
        }
        json.EndArray();
      }
      json.EndObject();
    }
    json.EndObject();
    if (form_ == TgiForm::kList) json.EndArray();
  }

  // An event for each token, with its own text where the next that is final begins with that, and what is left with the
  // newest: text that may yet be a stop string, or a part of a character, comes later than its token.
  void Piece(const Generated&, const Update& update, std::string* body) override {
    rest_ += update.text;
    for (size_t i = 0; i < update.tokens.size(); ++i) {
      last_ = update.tokens[i];
      const bool newest = i + 1 == update.tokens.size();
      if (newest && (update.finish || update.stopped)) continue;  // End tells it
      const std::string own = newest ? rest_ : TokenString(tokenizer_, last_.id);
      const std::string_view text = rest_.starts_with(own) ? own : std::string_view();
      ++told_;
      AppendToken(last_, text, nullptr, body);
      rest_.erase(0, text.size());
    }
  }

  void End(const Generated& generated, std::string* body) override { AppendToken(last_, rest_, &generated, body); }

  void Fail(const absl::Status& status, std::string* body) override {
    AppendEvent(ErrorResponse(status, ErrorForm::kTgi).body, body);
  }
  void KeepAlive(std::string* body) override { AppendComment("keep-alive", body); }

 private:
  std::string Shown(const Generated& generated) const {
    return told_of_.full_text ? asked().prompt + generated.text : generated.text;
  }

  Pieces WriteShown(const Generated& generated, JsonWriter& json) const {
    const std::string text = Shown(generated);
    BATUCADA_WRITE(json.LongString(text));
  }

  Pieces WriteDetails(const Generated& generated, JsonWriter& json) const {
    WriteEnd(generated, json);
    json.Key("prefill").BeginArray();
    if (told_of_.prompt) BATUCADA_WRITE(WritePrompt(generated, json));
    json.EndArray().Key("tokens").BeginArray();
    for (const TokenResult& token : generated.tokens) {
      WriteToken(token, TokenString(tokenizer_, token.id), json);
      if (json.full()) co_yield nullptr;
    }
    json.EndArray();
    if (told_of_.top_n == 0) co_return;
    json.Key("top_tokens").BeginArray();
    for (const TokenResult& token : generated.tokens) {
      WriteTop(token, json);
      if (json.full()) co_yield nullptr;
    }
    json.EndArray();
  }

  // Nothing predicts the first.
  Pieces WritePrompt(const Generated& generated, JsonWriter& json) const {
    const auto write = [&](int32_t id, std::optional<float> logprob) {
      json.BeginObject().Key("id").Int(id).Key("text").String(TokenString(tokenizer_, id)).Key("logprob");
      logprob ? json.Number(*logprob) : json.Null();
      json.EndObject();
    };
    write(asked().PromptOf(generated).front(), std::nullopt);
    for (const SharedArray<TokenResult>& scores : generated.prompt_scores) {
      for (const TokenResult& token : scores) {
        write(token.id, token.logprob);
        if (json.full()) co_yield nullptr;
      }
    }
  }

  void WriteToken(const TokenResult& token, std::string_view text, JsonWriter& json) const {
    json.BeginObject().Key("id").Int(token.id).Key("text").String(text).Key("logprob").Number(token.logprob);
    json.Key("special").Bool(tokenizer_.IsSpecial(token.id)).EndObject();
  }

  void WriteTop(const TokenResult& token, JsonWriter& json) const {
    json.BeginArray();
    for (const auto& top : token.top) {
      json.BeginObject().Key("id").Int(top.id).Key("text").String(TokenString(tokenizer_, top.id));
      json.Key("logprob").Number(top.logprob).Key("special").Bool(tokenizer_.IsSpecial(top.id)).EndObject();
    }
    json.EndArray();
  }

  void WriteEnd(const Generated& generated, JsonWriter& json) const {
    json.Key("finish_reason").String(ReasonOf(generated.finish));
    json.Key("generated_tokens").Int(generated.usage.generated_tokens);
    json.Key("input_length").Int(generated.usage.prompt_tokens).Key("seed");
    const SamplingParams& sampling = asked().sampling;
    const uint64_t seed = ChoiceSeed(sampling.seed, static_cast<int32_t>(generated.index));
    sampling.temperature > 0 ? json.Raw(std::to_string(seed)) : json.Null();
  }

  void AppendToken(const TokenResult& token, std::string_view text, const Generated* ended, std::string* body) {
    std::string event;
    JsonWriter json(&event);
    json.BeginObject().Key("index").Int(told_ + (ended != nullptr ? 1 : 0)).Key("token");
    WriteToken(token, text, json);
    if (told_of_.top_n > 0) {
      json.Key("top_tokens");
      WriteTop(token, json);
    }
    json.Key("generated_text");
    ended != nullptr ? json.String(Shown(*ended)) : json.Null();
    json.Key("details");
    if (ended != nullptr) {
      json.BeginObject();
      WriteEnd(*ended, json);
      json.EndObject();
    } else {
      json.Null();
    }
    json.EndObject();
    AppendEvent(event, body);
  }

  const Tokenizer& tokenizer_;
  const TgiForm form_;
  const TgiDetails told_of_;
  TokenResult last_;
  std::string rest_;  // text behind the last token that was told
  int64_t told_ = 0;
};

}  // namespace

std::unique_ptr<Dialect> MakeTgiDialect(const Tokenizer& tokenizer, TgiForm form, const TgiDetails& details) {
  return std::make_unique<TgiDialect>(tokenizer, form, details);
}

}  // namespace batucada
