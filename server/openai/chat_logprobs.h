// Log-probabilities in the shape of chat completions:
// {"content":[{"token":…,"logprob":…,"bytes":[…],"top_logprobs":[…]},…],"refusal":null}.
#pragma once

#include <vector>

#include "engine/core/request.h"
#include "server/json/json_writer.h"
#include "server/openai/logprobs_json.h"
#include "text/tokenizer.h"

namespace batucada {

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
  void WriteToken(int32_t id, float logprob, JsonWriter& json) const;  // its members, not its braces

  const Tokenizer& tokenizer_;
  const TokenNames names_;
  std::vector<TokenResult> tokens_;
};

}  // namespace batucada
