// What a model's tokenizer_config.json says of the tokens around a text.
//
// Hugging Face's tokenizers put around a text what the post-processor of tokenizer.json says. For the families that are
// known by SentencePiece-like vocabularies (Llama, Gemma, Cohere, GPT-NeoX) transformers (4.57) then has add_bos_token
// and add_eos_token of tokenizer_config.json decide; for the generic class it ignores them. Here they count where the
// class is one of those, or is not named, and where they are given; what is not given stays as tokenizer.json has it.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/token_table.h"

namespace batucada {

struct TokenAffixes;

struct TokenizerConfig {
  std::optional<bool> add_bos_token, add_eos_token;  // as far as they count
  std::optional<std::string> bos_token, eos_token;

  // Reads model_dir/tokenizer_config.json; without the file nothing is set. INVALID_ARGUMENT for one that is not JSON
  // or has a value of a wrong type, with the place in the file.
  [[nodiscard]] static absl::StatusOr<TokenizerConfig> Read(const std::string& model_dir);

  // Puts before and after a text what add_bos_token and add_eos_token ask for. INVALID_ARGUMENT if the token to be
  // added is not in `table`; one that has no name is not added.
  [[nodiscard]] absl::Status Apply(const TokenTable& table, TokenAffixes* affixes) const;
};

}  // namespace batucada
