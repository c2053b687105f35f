#include "server/responses/response_output.h"

#include <iterator>
#include <span>
#include <utility>

#include "server/openai/chat_logprobs.h"
#include "server/responses/items.h"

namespace batucada {

ResponseOutput::ResponseOutput(const Tokenizer& tokenizer, bool logprobs, std::shared_ptr<const AnswerForm> answer)
    : tokenizer_(tokenizer), logprobs_(logprobs) {
  if (answer != nullptr && !answer->plain()) parser_.emplace(std::move(answer));
}

void ResponseOutput::Open() {
  if (items_.empty()) items_.push_back({.id = NewId("msg_"), .text = {}, .tokens = {}});
}

void ResponseOutput::Take(Update& update) {
  if (parser_) {
    parser_->Add(update.text, &pieces_);
    if (update.finish) parser_->Finish(&pieces_);
  } else {
    pieces_.Add(AnswerPiece::Kind::kText, update.text);
  }
  for (const AnswerPiece& piece : pieces_.Take()) {
    if (piece.kind != AnswerPiece::Kind::kText) continue;
    Open();
    items_.back().text += piece.text;
  }
  if (!logprobs_ || update.tokens.empty()) return;
  Open();
  std::move(update.tokens.begin(), update.tokens.end(), std::back_inserter(items_.back().tokens));
}

void ResponseOutput::Finish(OutputItem::State state) {
  Open();  // an answer that is empty is a message, too
  items_.back().state = state;
}

Pieces ResponseOutput::Write(JsonWriter& json) const {
  json.BeginArray();
  for (const OutputItem& item : items_) BATUCADA_WRITE(WriteItem(item, As::kEnded, json));
  json.EndArray();
}

Pieces ResponseOutput::WriteItem(const OutputItem& item, As as, JsonWriter& json) const {
  json.BeginObject().Key("id").String(item.id).Key("type").String("message").Key("status");
  const bool cut = item.state == OutputItem::State::kCut;
  json.String(as == As::kBegun ? "in_progress" : cut ? "incomplete" : "completed");
  json.Key("role").String("assistant").Key("content").BeginArray();
  if (as == As::kEnded) BATUCADA_WRITE(WritePart(item, as, json));
  json.EndArray().EndObject();
}

Pieces ResponseOutput::WritePart(const OutputItem& item, As as, JsonWriter& json) const {
  json.BeginObject().Key("type").String("output_text").Key("annotations").BeginArray().EndArray();
  const bool begun = as == As::kBegun;
  json.Key("logprobs");
  BATUCADA_WRITE(WriteLogprobs(item, begun ? item.tokens.size() : 0, json));
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
