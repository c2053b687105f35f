// A choice of /v1/chat/completions: whole, {"index":…,"message":{…},"logprobs":…,"finish_reason":…}, or streamed, with
// a "delta" in three kinds of pieces: the role, the text, the end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/openai/chat_logprobs.h"
#include "server/openai/choice.h"
#include "server/openai/choice_extras.h"

namespace batucada {

class ChatChoice : public Choice {
 public:
  enum class Form : uint8_t { kWhole, kStreamed };

  // `prompt`: if options.return_token_ids. `echo`: what the text begins with. `tokenizer` outlives this.
  ChatChoice(int64_t index, Form form, const ChoiceOptions& options, const Tokenizer& tokenizer,
             SharedArray<int32_t> prompt, std::string echo = {});

  void Take(Update& update) override;
  void SetIndex(int64_t index) override { index_ = index; }
  bool HasNews() const override;
  Pieces Write(JsonWriter& json) override;
  // The first choice tells of the prompt, which all have in common.
  Pieces WriteBeside(JsonWriter& json) override;

 private:
  enum class Piece : uint8_t { kRole, kText, kEnd };
  bool HasText() const { return !text_.empty() || !logprobs_.empty() || extras_.HasTokens(); }
  Piece NextPiece() const;
  Pieces WriteWhole(JsonWriter& json);
  Pieces WriteDelta(JsonWriter& json);
  Pieces WriteLogprobs(JsonWriter& json);

  int64_t index_;
  const Form form_;
  const ChoiceOptions options_;
  bool began_ = false;  // the role has been written
  bool prompt_told_ = false;
  std::string text_;
  ChatLogprobs logprobs_;
  ChoiceExtras extras_;
  std::optional<Finish> finish_;
};

}  // namespace batucada
