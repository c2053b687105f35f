// One text of an answer: what came from the engine and has not been written yet.
#pragma once

#include "engine/engine.h"
#include "server/json/json_writer.h"
#include "server/json/pieces.h"

namespace batucada {

// What a choice reports beside its text.
struct ChoiceOptions {
  bool logprobs = false;
  bool prompt_logprobs = false;  // in vLLM's shape
  bool echo = false;
  bool return_token_ids = false;
  bool tokens_as_ids = false;   // log-probabilities name tokens by their ids
  bool special_tokens = false;  // they show in the text
  bool echoes_text = false;     // the echo is the client's own text (see EchoesText), around which the tokenizer put
  size_t added_before = 0, added_after = 0;  // so many tokens
};

class Choice {
 public:
  virtual ~Choice() = default;
  virtual void Take(Update& update) = 0;
  // Its place in the answer, where that is not the one that it was made with.
  virtual void SetIndex(int64_t index) = 0;
  // Whether writing it now would tell the client something new.
  virtual bool HasNews() const = 0;
  // The next piece of news as one JSON object; all of it, except where the wire wants it in several pieces. It stops
  // whenever `json` is full, and this and `json` outlive it.
  virtual Pieces Write(JsonWriter& json) = 0;
  // Members that the message has beside its choices, once. After Write.
  virtual Pieces WriteBeside(JsonWriter& /*json*/) { return {}; }
};

}  // namespace batucada
