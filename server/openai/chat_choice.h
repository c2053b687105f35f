// A choice of /v1/chat/completions: whole, {"index":…,"message":{…},"logprobs":…,"finish_reason":…}, or streamed, with
// a "delta" in pieces: the role, then text, thinking, calls of tools and their arguments as they come, the end.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/openai/chat_logprobs.h"
#include "server/openai/choice.h"
#include "server/openai/choice_extras.h"
#include "text/answer/answer_parser.h"
#include "text/answer/told_calls.h"

namespace batucada {

class ChatChoice : public Choice {
 public:
  enum class Form : uint8_t { kWhole, kStreamed };

  // `prompt`: if options.return_token_ids. `echo`: what the text begins with. `answer`: what to look for in it; null:
  // nothing. `tokenizer` outlives this.
  ChatChoice(int64_t index, Form form, const ChoiceOptions& options, const Tokenizer& tokenizer,
             SharedArray<int32_t> prompt, std::string echo = {}, std::shared_ptr<const AnswerForm> answer = nullptr);

  void Take(Update& update) override;
  void SetIndex(int64_t index) override { index_ = index; }
  bool HasNews() const override;
  Pieces Write(JsonWriter& json) override;
  // The first choice tells of the prompt, which all have in common.
  Pieces WriteBeside(JsonWriter& json) override;

 private:
  enum class Part : uint8_t { kRole, kPiece, kEnd };
  struct Call {
    std::string id, name, arguments;
  };
  bool HasPiece() const { return !pieces_.empty() || !news_.empty() || !logprobs_.empty() || extras_.HasTokens(); }
  Part NextPart() const;
  void Keep(AnswerPiece piece);
  Pieces WriteWhole(JsonWriter& json);
  Pieces WriteCalls(JsonWriter& json);
  Pieces WriteDelta(JsonWriter& json);
  // The members of a delta that tell one piece.
  Pieces WritePiece(const AnswerPiece& piece, JsonWriter& json);
  Pieces WriteLogprobs(JsonWriter& json);
  // Whether the text ended with the model's calls, for the client to answer.
  void WriteReason(const std::optional<Finish>& finish, JsonWriter& json) const;

  int64_t index_;
  const Form form_;
  const ChoiceOptions options_;
  bool began_ = false;  // the role has been written
  bool prompt_told_ = false;
  std::shared_ptr<const AnswerForm> answer_;  // of the parser
  std::optional<AnswerParser> parser_;
  AnswerPieces news_;
  std::deque<AnswerPiece> pieces_;  // streamed: to be written
  std::string text_, thinking_;     // whole
  std::vector<Call> calls_;         // whole
  ToldCalls told_;
  ChatLogprobs logprobs_;
  ChoiceExtras extras_;
  std::optional<Finish> finish_;
};

}  // namespace batucada
