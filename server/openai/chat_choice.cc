#include "server/openai/chat_choice.h"

#include <iterator>
#include <utility>

#include "server/generate/finish_answer.h"
#include "server/openai/call_id.h"

namespace batucada {
namespace {

using Kind = AnswerPiece::Kind;

Pieces WriteText(std::string_view text, JsonWriter& json) {
  if (json.IsLong(text)) return json.LongString(text);
  json.String(text);
  return {};
}

}  // namespace

ChatChoice::ChatChoice(int64_t index, Form form, const ChoiceOptions& options, const Tokenizer& tokenizer,
                       SharedArray<int32_t> prompt, std::string echo, std::shared_ptr<const AnswerForm> answer)
    : index_(index), form_(form), options_(options), logprobs_(tokenizer, TokenNamesOf(options)),
      extras_(options, tokenizer, std::move(prompt)) {
  news_.Add(Kind::kText, echo);
  if (answer == nullptr || answer->plain()) return;
  answer_ = std::move(answer);
  parser_.emplace(answer_);
}

void ChatChoice::Take(Update& update) {
  if (parser_) {
    parser_->Add(update.text, &news_);
    if (update.finish) FinishAnswer(*parser_, *answer_, *update.finish, &news_);
  } else {
    news_.Add(Kind::kText, update.text);
  }
  if (options_.logprobs) {
    for (const TokenResult& token : update.tokens) logprobs_.Add(token);
  }
  extras_.Take(update);
  if (update.finish) finish_ = std::move(update.finish);
  if (form_ == Form::kWhole) {
    for (AnswerPiece& piece : news_.Take()) Keep(std::move(piece));
  }
}

void ChatChoice::Keep(AnswerPiece piece) {
  switch (piece.kind) {
    case Kind::kText: text_ += piece.text; break;
    case Kind::kThinking: thinking_ += piece.text; break;
    case Kind::kCall:
      told_.Begin();
      calls_.push_back({.id = NewCallId(answer_->calls), .name = std::move(piece.text), .arguments = {}});
      break;
    case Kind::kArguments:
      told_.AddArguments(piece.text);
      calls_.back().arguments += piece.text;
      break;
  }
}

bool ChatChoice::HasNews() const { return HasPiece() || finish_; }

ChatChoice::Part ChatChoice::NextPart() const {
  if (!began_) return Part::kRole;
  return HasPiece() ? Part::kPiece : Part::kEnd;
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

void ChatChoice::WriteReason(const std::optional<Finish>& finish, JsonWriter& json) const {
  WriteFinish(finish, json, finish && EndedWithCalls(*finish, told_) ? "tool_calls" : "");
}

Pieces ChatChoice::WriteWhole(JsonWriter& json) {
  json.Key("message").BeginObject().Key("role").String("assistant").Key("content");
  if (text_.empty() && !calls_.empty()) {
    json.Null();
  } else {
    BATUCADA_WRITE(json.LongString(text_));
  }
  json.Key("refusal").Null();
  if (!thinking_.empty()) {
    for (const char* name : {"reasoning_content", "reasoning"}) {
      json.Key(name);
      BATUCADA_WRITE(json.LongString(thinking_));
    }
  }
  if (!calls_.empty()) {
    json.Key("tool_calls");
    BATUCADA_WRITE(WriteCalls(json));
  }
  json.EndObject();
  BATUCADA_WRITE(WriteLogprobs(json));
  WriteReason(finish_, json);
  BATUCADA_WRITE(extras_.WriteTokens(json));
}

Pieces ChatChoice::WriteCalls(JsonWriter& json) {
  json.BeginArray();
  for (const Call& call : calls_) {
    json.BeginObject().Key("id").String(call.id).Key("type").String("function").Key("function").BeginObject();
    json.Key("name").String(call.name).Key("arguments");
    BATUCADA_WRITE(json.LongString(call.arguments));
    json.EndObject().EndObject();
  }
  json.EndArray();
}

Pieces ChatChoice::WritePiece(const AnswerPiece& piece, JsonWriter& json) {
  if (piece.kind == Kind::kText) {
    json.Key("content");
    BATUCADA_WRITE(WriteText(piece.text, json));
    co_return;
  }
  if (piece.kind == Kind::kThinking) {
    for (const char* name : {"reasoning_content", "reasoning"}) {
      json.Key(name);
      BATUCADA_WRITE(WriteText(piece.text, json));
    }
    co_return;
  }
  const bool begins = piece.kind == Kind::kCall;
  begins ? told_.Begin() : told_.AddArguments(piece.text);
  json.Key("tool_calls").BeginArray().BeginObject().Key("index").Int(told_.count() - 1);
  if (begins) json.Key("id").String(NewCallId(answer_->calls)).Key("type").String("function");
  json.Key("function").BeginObject();
  if (begins) json.Key("name").String(piece.text);
  json.Key("arguments");
  BATUCADA_WRITE(WriteText(begins ? std::string_view() : std::string_view(piece.text), json));
  json.EndObject().EndObject().EndArray();
}

Pieces ChatChoice::WriteDelta(JsonWriter& json) {
  const Part part = NextPart();
  json.Key("delta").BeginObject();
  if (part == Part::kRole) {
    json.Key("role").String("assistant").Key("content").String("").Key("refusal").Null();
    began_ = true;
  }
  if (part == Part::kPiece) {
    if (pieces_.empty()) {
      std::vector<AnswerPiece> news = news_.Take();
      pieces_.assign(std::make_move_iterator(news.begin()), std::make_move_iterator(news.end()));
    }
    if (pieces_.empty()) pieces_.emplace_back();  // tokens whose text is still to come
    BATUCADA_WRITE(WritePiece(pieces_.front(), json));
    pieces_.pop_front();
  }
  json.EndObject();
  if (part == Part::kPiece) {
    BATUCADA_WRITE(WriteLogprobs(json));
    if (extras_.wanted()) BATUCADA_WRITE(extras_.WriteTokens(json));
  } else {
    json.Key("logprobs").Null();
  }
  WriteReason(part == Part::kEnd ? std::exchange(finish_, std::nullopt) : std::nullopt, json);
}

}  // namespace batucada
