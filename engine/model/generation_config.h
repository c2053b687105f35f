// generation_config.json: how a model's authors suggest to generate from it. Requests override every value.
//
// What transformers' generate() would make of the file is applied, or refused by name: a key that would change the
// answer and is not served is an error unless its value is the one that changes nothing. Keys that no answer depends on
// (use_cache, output_scores, transformers_version …) are not looked at; length_penalty and early_stopping neither, for
// they are about beams, and num_beams must be 1.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/core/sampling_fields.h"

namespace batucada {

// What is not set in the file stays empty.
struct GenerationConfig {
  std::vector<int32_t> eos_token_ids;     // end a text, beside those of config.json
  SamplingOverrides sampling;             // within the bounds of their fields; "do_sample": false is temperature 0
  std::optional<int64_t> max_new_tokens;  // >= 1: tokens to generate at most
  std::optional<int64_t> max_length;      // >= 1: of prompt and answer together; max_new_tokens goes before it
  std::optional<int64_t> min_new_tokens;  // >= 0: no end token before so many
  std::optional<int64_t> min_length;      // >= 0: of prompt and answer together; min_new_tokens goes before it
  std::vector<int32_t> suppress_tokens;   // never drawn; bad_words_ids of one token too
  std::vector<std::vector<int32_t>> bad_words_ids;  // runs of 2 to 8 ids that must not come
  std::vector<std::string> stop_strings;            // end a text, beside the end tokens

  // How many tokens an answer to a prompt of so many has at most, and at least, where the request does not say.
  // Nothing, and 0, where the file does not say either. The most is at least 1.
  std::optional<int64_t> MostTokens(int64_t prompt_tokens) const;
  int64_t LeastTokens(int64_t prompt_tokens) const;

  // "temperature 0.8, top_p 0.95": what is applied, end tokens aside. Empty for a file that says nothing.
  std::string Describe() const;
};

// INVALID_ARGUMENT names the JSON path, what was found and what was expected.
absl::StatusOr<GenerationConfig> ParseGenerationConfig(std::string_view json, int32_t vocab_size);

// kEndTokens: of the file only eos_token_id counts, and nothing in it is refused but that.
enum class GenerationConfigUse : uint8_t { kAll, kEndTokens };

// Reads `dir`/generation_config.json; an absent file is an empty one.
absl::StatusOr<GenerationConfig> LoadGenerationConfig(const std::filesystem::path& dir, int32_t vocab_size,
                                                      GenerationConfigUse use = GenerationConfigUse::kAll);

}  // namespace batucada
