// What choices of both shapes end with: why they ended, and what vLLM's users ask for.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/text/tokenizer.h"
#include "server/http/choice.h"
#include "server/json_writer.h"

namespace batucada {

// "finish_reason" and "stop_reason", null while there is no end.
void WriteFinish(const std::optional<Finish>& finish, JsonWriter& json);

// Token ids and log-probabilities of the prompt, as far as `options` want them.
class ChoiceExtras {
 public:
  // `prompt`: its ids, if options.return_token_ids. `tokenizer` outlives this.
  ChoiceExtras(const ChoiceOptions& options, const Tokenizer& tokenizer, std::vector<int32_t> prompt);

  void Take(Update& update);
  bool HasTokens() const { return !ids_.empty(); }
  bool HasNews() const { return HasTokens() || prompt_ids_due_; }
  // What there is of the generated text, for the choice's object.
  void WriteTokens(JsonWriter& json);
  // What there is of the prompt: completions have it in the choice, chat beside the choices.
  void WritePrompt(JsonWriter& json);

 private:
  const ChoiceOptions options_;
  const Tokenizer& tokenizer_;
  std::vector<int32_t> prompt_;
  bool prompt_ids_due_;  // not written yet
  std::vector<int32_t> ids_;
  std::vector<TokenResult> prompt_scores_;
};

}  // namespace batucada
