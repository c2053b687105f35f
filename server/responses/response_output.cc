#include "server/responses/response_output.h"

#include <iterator>
#include <span>
#include <utility>

#include "server/generate/finish_answer.h"
#include "server/openai/call_id.h"
#include "server/openai/chat_logprobs.h"
#include "server/responses/items.h"

namespace batucada {
namespace {

using Kind = OutputItem::Kind;

std::string_view PrefixOf(Kind kind) {
  switch (kind) {
    case Kind::kMessage: return "msg_";
    case Kind::kReasoning: return "rs_";
    case Kind::kCall: return "fc_";
  }
  return "";
}

}  // namespace

ResponseOutput::ResponseOutput(const Tokenizer& tokenizer, Form form, std::shared_ptr<const AnswerForm> answer)
    : tokenizer_(tokenizer), form_(form) {
  if (answer == nullptr || answer->plain()) return;
  answer_ = std::move(answer);
  parser_.emplace(answer_);
  if (answer_->thinking) thinking_.emplace(*answer_->thinking, answer_->thinking_start);
}

OutputItem& ResponseOutput::Begin(Kind kind) {
  if (!items_.empty()) items_.back().state = OutputItem::State::kWhole;
  OutputItem& item = items_.emplace_back();
  item.kind = kind;
  item.id = NewId(PrefixOf(kind));
  return item;
}

OutputItem& ResponseOutput::Open(Kind kind) {
  return items_.empty() || items_.back().kind != kind ? Begin(kind) : items_.back();
}

void ResponseOutput::CountThinking(const std::vector<TokenResult>& tokens) {
  AnswerPieces unused;
  for (const TokenResult& token : tokens) {
    if (!thinking_ || thinking_->over()) return;
    if (thinking_->inside()) ++reasoning_tokens_;
    thinking_->Add(tokenizer_.TokenBytes(token.id), &unused);
    unused.Take();
  }
}

void ResponseOutput::Take(Update& update) {
  CountThinking(update.tokens);
  if (parser_) {
    parser_->Add(update.text, &pieces_);
    if (update.finish) FinishAnswer(*parser_, *answer_, *update.finish, &pieces_);
  } else {
    pieces_.Add(AnswerPiece::Kind::kText, update.text);
    if (form_.logprobs && !update.tokens.empty()) Open(Kind::kMessage);
  }
  for (AnswerPiece& piece : pieces_.Take()) {
    switch (piece.kind) {
      case AnswerPiece::Kind::kText: Open(Kind::kMessage).text += piece.text; break;
      case AnswerPiece::Kind::kThinking: Open(Kind::kReasoning).text += piece.text; break;
      case AnswerPiece::Kind::kCall: {
        OutputItem& call = Begin(Kind::kCall);
        told_.Begin();
        call.name = std::move(piece.text);
        call.call_id = NewCallId(answer_->calls);
        break;
      }
      case AnswerPiece::Kind::kArguments:
        told_.AddArguments(piece.text);
        items_.back().text += piece.text;
        break;
    }
  }
  cut_ = update.finish && IsCut(*update.finish);
  if (form_.logprobs) TakeTokens(update.tokens);
}

// Tokens belong to the item that grows when they come; those of calls and thinking have no place.
void ResponseOutput::TakeTokens(std::vector<TokenResult>& tokens) {
  std::move(tokens.begin(), tokens.end(), std::back_inserter(tokens_));
  if (items_.empty()) return;
  OutputItem& item = items_.back();
  if (item.kind == Kind::kMessage) std::move(tokens_.begin(), tokens_.end(), std::back_inserter(item.tokens));
  tokens_.clear();
}

void ResponseOutput::Finish(OutputItem::State state) {
  if (items_.empty()) Open(Kind::kMessage);  // an answer that is empty is a message, too
  const bool half = cut_ && items_.back().kind == Kind::kCall && !told_.whole();
  items_.back().state = half ? OutputItem::State::kCut : state;
}

Pieces ResponseOutput::Write(JsonWriter& json) const {
  json.BeginArray();
  for (const OutputItem& item : items_) BATUCADA_WRITE(WriteItem(item, As::kEnded, json));
  json.EndArray();
}

Pieces ResponseOutput::WriteItem(const OutputItem& item, As as, JsonWriter& json) const {
  const bool ended = as == As::kEnded;
  json.BeginObject().Key("id").String(item.id).Key("type");
  json.String(item.kind == Kind::kMessage ? "message" : item.kind == Kind::kReasoning ? "reasoning" : "function_call");
  json.Key("status");
  json.String(!ended ? "in_progress" : item.state == OutputItem::State::kCut ? "incomplete" : "completed");
  if (item.kind == Kind::kCall) {
    json.Key("call_id").String(item.call_id).Key("name").String(item.name).Key("arguments");
    BATUCADA_WRITE(json.LongString(ended ? std::string_view(item.text) : std::string_view()));
    json.EndObject();
    co_return;
  }
  const bool summary = item.kind == Kind::kReasoning && form_.summary;
  if (item.kind == Kind::kMessage) json.Key("role").String("assistant");
  if (item.kind == Kind::kReasoning && !summary) json.Key("summary").BeginArray().EndArray();
  json.Key(summary ? "summary" : "content").BeginArray();
  if (ended) BATUCADA_WRITE(WritePart(item, as, json));
  json.EndArray().EndObject();
}

Pieces ResponseOutput::WritePart(const OutputItem& item, As as, JsonWriter& json) const {
  const bool begun = as == As::kBegun;
  json.BeginObject().Key("type");
  if (item.kind == Kind::kMessage) {
    json.String("output_text").Key("annotations").BeginArray().EndArray().Key("logprobs");
    BATUCADA_WRITE(WriteLogprobs(item, begun ? item.tokens.size() : 0, json));
  } else {
    json.String(form_.summary ? "summary_text" : "reasoning_text");
  }
  json.Key("text");
  BATUCADA_WRITE(json.LongString(begun ? std::string_view() : std::string_view(item.text)));
  json.EndObject();
}

Pieces ResponseOutput::WriteLogprobs(const OutputItem& item, size_t begin, JsonWriter& json) const {
  return WriteTokenLogprobs(tokenizer_, TokenNames::kText, std::span(item.tokens).subspan(begin), json);
}

std::vector<StoredItem> ResponseOutput::Stored() const {
  std::vector<StoredItem> stored;
  for (const OutputItem& item : items_) {
    StoredItem& one = stored.emplace_back(StoredItem{.id = item.id, .json = {}});
    JsonWriter json(&one.json);
    WriteItem(item, As::kEnded, json).Finish();
  }
  return stored;
}

}  // namespace batucada
