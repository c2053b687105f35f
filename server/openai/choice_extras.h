// What choices of both shapes end with: why they ended, and what vLLM's users ask for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "server/json/json_writer.h"
#include "server/openai/choice.h"
#include "text/tokenizer.h"

namespace batucada {

// "finish_reason" and "stop_reason", null while there is no end. `reason`: instead of the finish's own, unless empty.
void WriteFinish(const std::optional<Finish>& finish, JsonWriter& json, std::string_view reason = "");

// [1,2,…]. The ids outlive the pieces.
Pieces WriteIds(std::span<const int32_t> ids, JsonWriter& json);

// Token ids and log-probabilities of the prompt, as far as `options` want them.
class ChoiceExtras {
 public:
  // `prompt`: its ids, if options.return_token_ids. `tokenizer` outlives this.
  ChoiceExtras(const ChoiceOptions& options, const Tokenizer& tokenizer, SharedArray<int32_t> prompt);

  void Take(Update& update);
  bool wanted() const { return options_.return_token_ids || options_.prompt_logprobs; }
  bool HasTokens() const { return !ids_.empty(); }
  bool HasNews() const { return HasTokens() || prompt_ids_due_; }
  // What there is of the generated text, for the choice's object.
  Pieces WriteTokens(JsonWriter& json);
  // What there is of the prompt: completions have it in the choice, chat beside the choices.
  Pieces WritePrompt(JsonWriter& json);

 private:
  const ChoiceOptions options_;
  const Tokenizer& tokenizer_;
  SharedArray<int32_t> prompt_;
  bool prompt_ids_due_;  // not written yet
  std::vector<int32_t> ids_;
  std::vector<SharedArray<TokenResult>> prompt_scores_;  // piece by piece, shared with the prompt's other choices
};

}  // namespace batucada
