// Log-probabilities in the two shapes that completions clients know.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/request.h"
#include "server/json/json_writer.h"
#include "server/openai/choice.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace batucada {

// What a token looks like by itself: its text, or "bytes:\xe2\x80" if it is a part of a character.
std::string TokenString(const Tokenizer& tokenizer, int32_t id);

// How log-probabilities name tokens.
enum class TokenNames : uint8_t {
  kText,  // TokenString, which several tokens may share
  kId,    // "token_id:17"
};
std::string TokenName(const Tokenizer& tokenizer, int32_t id, TokenNames names);
inline TokenNames TokenNamesOf(const ChoiceOptions& options) {
  return options.tokens_as_ids ? TokenNames::kId : TokenNames::kText;
}

// Whether a special token is a part of the text.
enum class Specials : uint8_t { kHidden, kShown };

// OpenAI's: {"tokens":[…],"token_logprobs":[…],"top_logprobs":[{…}],"text_offset":[…]}, for the tokens of one choice.
// Offsets count characters (code points) of the choice's text up to where a token's own text begins, and go on from one
// Write to the next. A token's own space is a part of it, as tokenizers counts where it does not trim: Llama's "▁world"
// begins at 5 of the echoed "Hello world", and at 6 of the completion " Hello world".
class LogprobsJson {
 public:
  // The choice's text begins with `echo`, which is the text of `prompt` or empty, and special tokens that were
  // generated are a part of it or not. `tokenizer` outlives this.
  LogprobsJson(const Tokenizer& tokenizer, std::span<const int32_t> prompt, Specials generated, std::string_view echo,
               TokenNames names = TokenNames::kText);

  // Tokens of an echoed prompt: the first, which nothing predicts, then the others.
  void AddFirstOfPrompt(int32_t id, Specials specials);
  // Which are those of `scores`, in order; the prompt's choices share them.
  void AddPrompt(const SharedArray<TokenResult>& scores, const std::function<Specials()>& specials);
  // A generated token.
  void Add(const TokenResult& token);
  bool empty() const { return entries_.empty(); }
  // Everything added since the last Write.
  Pieces Write(JsonWriter& json);

 private:
  struct Entry {
    const TokenResult* token;  // in own_ or shared_
    bool scored = true;
    int64_t offset = 0;
  };
  int64_t OffsetInPrompt(int32_t id, Specials specials);

  const Tokenizer& tokenizer_;
  const TokenNames names_;
  Detokenizer prompt_, completion_;
  const bool echo_begins_with_space_;
  const int64_t echoed_;           // characters
  int64_t prompt_characters_ = 0;  // of the echo, up to what prompt_ has returned
  bool prompt_began_ = false;      // whether that is anything
  int64_t characters_;             // of the choice's text
  std::vector<Entry> entries_;
  std::deque<TokenResult> own_;
  std::vector<SharedArray<TokenResult>> shared_;
};

// vLLM's, for prompts: [null, {"ID": {"logprob":…,"rank":…,"decoded_token":…}, …}, …].
Pieces WritePromptLogprobs(const Tokenizer& tokenizer, const std::vector<SharedArray<TokenResult>>& pieces,
                           JsonWriter& json);

}  // namespace batucada
