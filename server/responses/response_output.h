// What a response is made of, as it comes: messages, one after the other.
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
#include "text/tokenizer.h"

namespace batucada {

// An item of the output.
struct OutputItem {
  enum class State : uint8_t { kOpen, kWhole, kCut };  // still growing; as the model ended it; or what ended it

  std::string id;
  std::string text;
  std::vector<TokenResult> tokens;  // where log-probabilities are told
  State state = State::kOpen;
};

// Used by one thread at a time.
class ResponseOutput {
 public:
  // `answer`: what to look for in the text; null: nothing. What the model thinks is told to nobody. `tokenizer`
  // outlives this.
  ResponseOutput(const Tokenizer& tokenizer, bool logprobs, std::shared_ptr<const AnswerForm> answer);

  void Take(Update& update);
  // No more comes: the last item is whole, or was cut off.
  void Finish(OutputItem::State state);
  const std::deque<OutputItem>& items() const { return items_; }

  enum class As : uint8_t { kBegun, kEnded };  // as it was before its first text, or with all of it
  // All writers: what they refer to lives as long as this, and does not change while they write.
  Pieces Write(JsonWriter& json) const;  // a list of all items
  Pieces WriteItem(const OutputItem& item, As as, JsonWriter& json) const;
  Pieces WritePart(const OutputItem& item, As as, JsonWriter& json) const;  // {"type":"output_text",…}
  // A list of what is told of the tokens from `begin` on.
  Pieces WriteLogprobs(const OutputItem& item, size_t begin, JsonWriter& json) const;

  std::vector<StoredItem> Stored() const;

 private:
  void Open();

  const Tokenizer& tokenizer_;
  const bool logprobs_;
  std::optional<AnswerParser> parser_;
  AnswerPieces pieces_;  // of the update that is being taken
  std::deque<OutputItem> items_;
};

}  // namespace batucada
