// generation_config.json: how a model's authors suggest to sample from it. Requests override every value.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace batucada {

// What is not set in the file stays empty.
struct GenerationConfig {
  std::vector<int32_t> eos_token_ids;  // end a text, beside those of config.json
  std::optional<float> temperature;    // [0, 100]; 0, also for "do_sample": false, is greedy
  std::optional<float> top_p;          // (0, 1]
  std::optional<float> min_p;          // [0, 1]
  std::optional<int32_t> top_k;        // >= 0; 0: all
};

// INVALID_ARGUMENT names the JSON path, what was found and what was expected.
absl::StatusOr<GenerationConfig> ParseGenerationConfig(std::string_view json, int32_t vocab_size);
// Reads `dir`/generation_config.json; an absent file is an empty one.
absl::StatusOr<GenerationConfig> LoadGenerationConfig(const std::filesystem::path& dir, int32_t vocab_size);

}  // namespace batucada
