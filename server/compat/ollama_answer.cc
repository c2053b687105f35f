#include "server/compat/ollama_answer.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/common/error.h"
#include "server/generate/finish_answer.h"
#include "server/json/json_writer.h"
#include "server/openai/call_id.h"
#include "server/openai/logprobs_json.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Kind = AnswerPiece::Kind;

// What a line tells.
struct OllamaLine {
  struct Call {
    std::string name, arguments;  // arguments: a JSON object
  };
  std::string text, thinking;
  std::vector<Call> calls;

  bool empty() const { return text.empty() && thinking.empty() && calls.empty(); }
};

class OllamaDialect : public Dialect {
 public:
  OllamaDialect(const Tokenizer& tokenizer, OllamaForm form, OllamaScores scores)
      : tokenizer_(tokenizer), form_(form), scores_(scores) {}

  bool KeepsTokens() const override { return scores_ == OllamaScores::kTold; }

  void Begin(Asked asked) override {
    Dialect::Begin(std::move(asked));
    if (this->asked().answer != nullptr) parser_.emplace(this->asked().answer);
  }

  std::string_view stream_type() const override { return "application/x-ndjson"; }

  Pieces Whole(const std::vector<Generated>& all, JsonWriter& json) override {
    const Generated& generated = all.front();
    OllamaLine said;
    Hear(generated.text, &said);
    HearEnd(generated.finish, &said);
    BATUCADA_WRITE(Write(said, generated.tokens, &generated, json));
  }
  void Piece(const Generated&, const Update& update, std::string* body) override {
    if (KeepsTokens()) untold_.insert(untold_.end(), update.tokens.begin(), update.tokens.end());
    OllamaLine said;
    Hear(update.text, &said);
    WriteLine(said, body);
  }
  void End(const Generated& generated, std::string* body) override {
    OllamaLine said;
    HearEnd(generated.finish, &said);
    WriteLine(said, body);
    WriteUntold({}, &generated, body);
  }
  void Fail(const absl::Status& status, std::string* body) override {
    JsonWriter(body).Raw(ErrorResponse(status, ErrorForm::kOpenInference).body);
    *body += '\n';
  }

 private:
  void Hear(std::string_view text, OllamaLine* said) {
    if (!parser_) {
      said->text += text;
      return;
    }
    AnswerPieces pieces;
    parser_->Add(text, &pieces);
    Take(pieces.Take(), said);
  }

  void HearEnd(const Finish& finish, OllamaLine* said) {
    if (!parser_) return;
    AnswerPieces pieces;
    FinishAnswer(*parser_, *asked().answer, finish, &pieces);
    Take(pieces.Take(), said);
    EndCall(IsCut(finish), said);
  }

  void Take(std::vector<AnswerPiece> pieces, OllamaLine* said) {
    for (AnswerPiece& piece : pieces) {
      if (piece.kind != Kind::kArguments) EndCall(false, said);
      switch (piece.kind) {
        case Kind::kText: said->text += piece.text; break;
        case Kind::kThinking: said->thinking += piece.text; break;
        case Kind::kCall: call_ = OllamaLine::Call{.name = std::move(piece.text), .arguments = {}}; break;
        case Kind::kArguments:
          if (call_) call_->arguments += piece.text;
          break;
      }
    }
  }

  // Ollama's clients get a call at once, its arguments as an object. One that is cut short is none; what a model wrote
  // that is no object stands in one.
  void EndCall(bool cut, OllamaLine* said) {
    if (!call_) return;
    OllamaLine::Call call = *std::exchange(call_, std::nullopt);
    bj::error_code error;
    const bj::value value = bj::parse(bj::string_view(call.arguments.data(), call.arguments.size()), error);
    if (error || !value.is_object()) {
      if (cut) return;
      call.arguments = bj::serialize(bj::object{{"INVALID_JSON", call.arguments}});
    }
    said->calls.push_back(std::move(call));
  }

  void WriteLine(const OllamaLine& said, std::string* body) {
    if (!said.empty()) WriteUntold(said, nullptr, body);
  }

  void WriteUntold(const OllamaLine& said, const Generated* ended, std::string* body) {
    JsonWriter json(body);
    Write(said, untold_, ended, json).Finish();
    untold_.clear();
    *body += '\n';
  }

  // All that is given outlives the pieces.
  Pieces Write(const OllamaLine& said, const std::vector<TokenResult>& tokens, const Generated* ended,
               JsonWriter& json) {
    const bool chat = form_ == OllamaForm::kChat;
    json.BeginObject().Key("model").String(asked().model).Key("created_at");
    json.String(absl::FormatTime(absl::RFC3339_full, absl::Now(), absl::UTCTimeZone()));
    if (chat) json.Key("message").BeginObject().Key("role").String("assistant");
    json.Key(chat ? "content" : "response");
    BATUCADA_WRITE(json.LongString(said.text));
    if (!said.thinking.empty()) {
      json.Key("thinking");
      BATUCADA_WRITE(json.LongString(said.thinking));
    }
    if (chat && !said.calls.empty()) WriteCalls(said.calls, json);
    if (chat) json.EndObject();
    if (KeepsTokens()) BATUCADA_WRITE(WriteScores(tokens, json));
    json.Key("done").Bool(ended != nullptr);
    if (ended != nullptr) WriteEnd(*ended, json);
    json.EndObject();
  }

  void WriteCalls(const std::vector<OllamaLine::Call>& calls, JsonWriter& json) {
    json.Key("tool_calls").BeginArray();
    for (const OllamaLine::Call& call : calls) {
      json.BeginObject().Key("id").String(NewCallId(asked().answer->calls)).Key("function").BeginObject();
      json.Key("index").Int(told_calls_++).Key("name").String(call.name).Key("arguments").Raw(call.arguments);
      json.EndObject().EndObject();
    }
    json.EndArray();
  }

  Pieces WriteScores(const std::vector<TokenResult>& tokens, JsonWriter& json) const {
    json.Key("logprobs").BeginArray();
    const auto write = [&](int32_t id, float logprob) -> JsonWriter& {
      json.BeginObject().Key("token").String(TokenString(tokenizer_, id)).Key("logprob").Number(logprob);
      json.Key("bytes").BeginArray();
      for (const char byte : tokenizer_.TokenBytes(id)) json.Int(static_cast<unsigned char>(byte));
      return json.EndArray();
    };
    for (const TokenResult& token : tokens) {
      write(token.id, token.logprob).Key("top_logprobs").BeginArray();
      for (const TokenLogprob& top : token.top) write(top.id, top.logprob).EndObject();
      json.EndArray().EndObject();
      if (json.full()) co_yield nullptr;
    }
    json.EndArray();
  }

  static void WriteEnd(const Generated& generated, JsonWriter& json) {
    const RequestTimings& timings = generated.timings;
    json.Key("done_reason").String(EndOf(generated.finish) == EndedBy::kLength ? "length" : "stop");
    json.Key("total_duration").Int(absl::ToInt64Nanoseconds(timings.queue + timings.prefill + timings.decode));
    json.Key("load_duration").Int(0).Key("prompt_eval_count").Int(generated.usage.prompt_tokens);
    json.Key("prompt_eval_duration").Int(absl::ToInt64Nanoseconds(timings.prefill));
    json.Key("eval_count").Int(generated.usage.generated_tokens);
    // Programs divide by it: one token is there as soon as its prompt is.
    json.Key("eval_duration").Int(std::max<int64_t>(absl::ToInt64Nanoseconds(timings.decode), 1));
  }

  const Tokenizer& tokenizer_;
  const OllamaForm form_;
  const OllamaScores scores_;
  std::vector<TokenResult> untold_;       // whose scores no line has told
  std::optional<AnswerParser> parser_;    // of a conversation
  std::optional<OllamaLine::Call> call_;  // whose arguments are still coming
  int64_t told_calls_ = 0;
};

}  // namespace

std::unique_ptr<Dialect> MakeOllamaDialect(const Tokenizer& tokenizer, OllamaForm form, OllamaScores scores) {
  return std::make_unique<OllamaDialect>(tokenizer, form, scores);
}

}  // namespace batucada
