// Log-probabilities in the two shapes that completions clients know.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/request.h"
#include "engine/text/tokenizer.h"
#include "server/json_writer.h"

namespace batucada {

// What a token looks like by itself: its text, or "bytes:\xe2\x80" if it is a part of a character.
std::string TokenString(const Tokenizer& tokenizer, int32_t id);

// Whether a special token is a part of the text.
enum class Specials : uint8_t { kHidden, kShown };

// OpenAI's: {"tokens":[…],"token_logprobs":[…],"top_logprobs":[{…}],"text_offset":[…]}, for the tokens of one choice.
// Offsets count characters from the start of the choice's text and go on from one Write to the next.
class LogprobsJson {
 public:
  explicit LogprobsJson(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // The first token of a prompt, which nothing predicts.
  void AddUnscored(int32_t id, Specials specials);
  void Add(const TokenResult& token, Specials specials);
  bool empty() const { return entries_.empty(); }
  // Everything added since the last Write.
  Pieces Write(JsonWriter& json);

 private:
  struct Entry {
    TokenResult token;
    bool scored = true;
    int64_t offset = 0;
  };
  void Append(TokenResult token, bool scored, Specials specials);

  const Tokenizer& tokenizer_;
  std::vector<Entry> entries_;
  int64_t characters_ = 0;
};

// vLLM's, for prompts: [null, {"ID": {"logprob":…,"rank":…,"decoded_token":…}, …}, …].
Pieces WritePromptLogprobs(const Tokenizer& tokenizer, const std::vector<SharedArray<TokenResult>>& pieces,
                           JsonWriter& json);

}  // namespace batucada
