// A model's answer as it comes, split into thinking, text and calls of tools.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/answer/answer_piece.h"
#include "text/answer/call_format.h"
#include "text/answer/thinking.h"

namespace batucada {

// What to look for in the answers of one request.
struct AnswerForm {
  CallFormat calls = CallFormat::kNone;        // kNone: no calls
  std::vector<std::string> tool_names = {};    // that may be called
  std::optional<ThinkingMarks> thinking = {};  // nothing: no thinking
  ThinkingStart thinking_start = ThinkingStart::kOver;
  bool splits_thinking = true;  // else it stays in the text
  bool tells_thinking = true;   // else it is dropped
  bool must_call = false;       // behind the thinking there are calls alone

  bool plain() const { return calls == CallFormat::kNone && !(thinking && splits_thinking); }
};

// Used by one thread at a time. Time in proportion to the text.
class AnswerParser {
 public:
  // `form` is of all answers of a request.
  explicit AnswerParser(std::shared_ptr<const AnswerForm> form);

  void Add(std::string_view text, AnswerPieces* out);
  // The answer has ended.
  void Finish(AnswerPieces* out);

 private:
  void AddAnswer(std::string_view text, AnswerPieces* out);

  const std::shared_ptr<const AnswerForm> form_;
  std::optional<ThinkingSplitter> thinking_;
  std::unique_ptr<CallParser> calls_;
};

}  // namespace batucada
