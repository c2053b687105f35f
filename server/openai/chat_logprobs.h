// Log-probabilities in the shape of chat completions:
// {"content":[{"token":…,"logprob":…,"bytes":[…],"top_logprobs":[…]},…],"refusal":null}.
#pragma once

#include <span>
#include <vector>

#include "engine/core/request.h"
#include "server/json/json_writer.h"
#include "server/openai/logprobs_json.h"
#include "text/tokenizer.h"

namespace batucada {

// A list of tokens, each with its log-probability, bytes and alternatives. All outlive the pieces.
Pieces WriteTokenLogprobs(const Tokenizer& tokenizer, TokenNames names, std::span<const TokenResult> tokens,
                          JsonWriter& json);

class ChatLogprobs {
 public:
  // `tokenizer` outlives this.
  explicit ChatLogprobs(const Tokenizer& tokenizer, TokenNames names = TokenNames::kText)
      : tokenizer_(tokenizer), names_(names) {}

  void Add(const TokenResult& token) { tokens_.push_back(token); }
  bool empty() const { return tokens_.empty(); }
  // Everything added since the last Write.
  Pieces Write(JsonWriter& json);

 private:
  const Tokenizer& tokenizer_;
  const TokenNames names_;
  std::vector<TokenResult> tokens_;
};

}  // namespace batucada
