#include "server/openai/chat_choice.h"

#include <utility>

namespace batucada {

ChatChoice::ChatChoice(int64_t index, Form form, const ChoiceOptions& options, const Tokenizer& tokenizer,
                       SharedArray<int32_t> prompt, std::string echo)
    : index_(index), form_(form), options_(options), text_(std::move(echo)),
      logprobs_(tokenizer, TokenNamesOf(options)), extras_(options, tokenizer, std::move(prompt)) {}

void ChatChoice::Take(Update& update) {
  text_ += update.text;
  if (options_.logprobs) {
    for (const TokenResult& token : update.tokens) logprobs_.Add(token);
  }
  extras_.Take(update);
  if (update.finish) finish_ = std::move(update.finish);
}

bool ChatChoice::HasNews() const { return HasText() || finish_; }

ChatChoice::Piece ChatChoice::NextPiece() const {
  if (!began_) return Piece::kRole;
  return HasText() ? Piece::kText : Piece::kEnd;
}

Pieces ChatChoice::Write(JsonWriter& json) {
  json.BeginObject().Key("index").Int(index_);
  BATUCADA_WRITE(form_ == Form::kWhole ? WriteWhole(json) : WriteDelta(json));
  json.EndObject();
}

Pieces ChatChoice::WriteBeside(JsonWriter& json) {
  if (index_ == 0 && !std::exchange(prompt_told_, true)) BATUCADA_WRITE(extras_.WritePrompt(json));
}

Pieces ChatChoice::WriteLogprobs(JsonWriter& json) {
  json.Key("logprobs");
  if (options_.logprobs) {
    BATUCADA_WRITE(logprobs_.Write(json));
  } else {
    json.Null();
  }
}

Pieces ChatChoice::WriteWhole(JsonWriter& json) {
  json.Key("message").BeginObject().Key("role").String("assistant").Key("content");
  BATUCADA_WRITE(json.LongString(text_));
  json.Key("refusal").Null().EndObject();
  BATUCADA_WRITE(WriteLogprobs(json));
  WriteFinish(finish_, json);
  BATUCADA_WRITE(extras_.WriteTokens(json));
}

Pieces ChatChoice::WriteDelta(JsonWriter& json) {
  const Piece piece = NextPiece();
  json.Key("delta").BeginObject();
  if (piece == Piece::kRole) {
    json.Key("role").String("assistant").Key("content").String("").Key("refusal").Null();
    began_ = true;
  }
  if (piece == Piece::kText) {
    json.Key("content");
    if (json.IsLong(text_)) {
      BATUCADA_WRITE(json.LongString(text_));
    } else {
      json.String(text_);
    }
    text_.clear();
  }
  json.EndObject();
  if (piece == Piece::kText) {
    BATUCADA_WRITE(WriteLogprobs(json));
    if (extras_.wanted()) BATUCADA_WRITE(extras_.WriteTokens(json));
  } else {
    json.Key("logprobs").Null();
  }
  WriteFinish(piece == Piece::kEnd ? std::exchange(finish_, std::nullopt) : std::nullopt, json);
}

}  // namespace batucada
