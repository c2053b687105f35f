// What a response is made of, as it comes: what the model thinks, messages and calls of tools, one after the other.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/request.h"
#include "engine/generation.h"
#include "server/json/json_writer.h"
#include "server/json/pieces.h"
#include "server/store/records.h"
#include "text/answer/answer_parser.h"
#include "text/answer/told_calls.h"
#include "text/tokenizer.h"

namespace batucada {

// An item of the output.
struct OutputItem {
  enum class State : uint8_t { kOpen, kWhole, kCut };  // still growing; as the model ended it; or what ended it

  enum class Kind : uint8_t { kMessage, kReasoning, kCall };

  Kind kind = Kind::kMessage;
  std::string id;
  std::string text;                 // of a call: its arguments
  std::string name, call_id;        // of a call
  std::vector<TokenResult> tokens;  // of a message, where log-probabilities are told
  State state = State::kOpen;
};

// Used by one thread at a time.
class ResponseOutput {
 public:
  struct Form {
    bool logprobs = false;
    bool summary = false;  // what the model thinks is the summary of its item, not the content
  };
  // `answer`: what to look for in the text; null: nothing. `tokenizer` outlives this.
  ResponseOutput(const Tokenizer& tokenizer, Form form, std::shared_ptr<const AnswerForm> answer);

  void Take(Update& update);
  // No more comes: the last item is whole, or was cut off. A call that a stop string cut is so in any case.
  void Finish(OutputItem::State state);
  const std::deque<OutputItem>& items() const { return items_; }
  // Tokens of what the model thought, and of the mark that ended it.
  int64_t reasoning_tokens() const { return reasoning_tokens_; }
  const Form& form() const { return form_; }

  enum class As : uint8_t { kBegun, kEnded };  // as it was before its first text, or with all of it
  // All writers: what they refer to lives as long as this, and does not change while they write.
  Pieces Write(JsonWriter& json) const;  // a list of all items
  Pieces WriteItem(const OutputItem& item, As as, JsonWriter& json) const;
  // What a message or reasoning is made of: {"type":"output_text",…}
  Pieces WritePart(const OutputItem& item, As as, JsonWriter& json) const;
  // A list of what is told of the tokens from `begin` on.
  Pieces WriteLogprobs(const OutputItem& item, size_t begin, JsonWriter& json) const;

  std::vector<StoredItem> Stored() const;

 private:
  // The item of that kind that grows; a new one, where another kind's does.
  OutputItem& Open(OutputItem::Kind kind);
  OutputItem& Begin(OutputItem::Kind kind);
  void TakeTokens(std::vector<TokenResult>& tokens);
  void CountThinking(const std::vector<TokenResult>& tokens);

  const Tokenizer& tokenizer_;
  const Form form_;
  std::shared_ptr<const AnswerForm> answer_;  // of the parser
  std::optional<AnswerParser> parser_;
  std::optional<ThinkingSplitter> thinking_;  // of single tokens, where updates are of several
  int64_t reasoning_tokens_ = 0;
  AnswerPieces pieces_;  // of the update that is being taken
  ToldCalls told_;
  bool cut_ = false;  // by what was asked for, a stop string say
  std::deque<OutputItem> items_;
  std::vector<TokenResult> tokens_;  // whose text is still to come
};

}  // namespace batucada
