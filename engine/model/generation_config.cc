#include "engine/model/generation_config.h"

#include <string>

#include "engine/core/status.h"
#include "engine/model/json.h"

namespace batucada {
namespace {

std::optional<float> OptionalNumber(const JsonObject& root, std::string_view key, NumberRange range) {
  if (!root.Has(key)) return std::nullopt;
  return static_cast<float>(root.NumberOr(key, range.min, range));
}

}  // namespace

absl::StatusOr<GenerationConfig> ParseGenerationConfig(std::string_view json, int32_t vocab_size) {
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document, ParseJson(json, "generation_config.json"));
  absl::Status status;
  const JsonObject root(document, "generation_config.json: ", &status);
  GenerationConfig config;
  const IntRange ids = {.min = 0, .max = vocab_size - 1};
  for (const int64_t id : root.Ints("eos_token_id", ids, JsonObject::ListForm::kOneOrMany)) {
    config.eos_token_ids.push_back(static_cast<int32_t>(id));
  }
  config.temperature = OptionalNumber(root, "temperature", {.min = 0, .max = 100});
  if (!root.BoolOr("do_sample", true)) config.temperature = 0;
  config.top_p = OptionalNumber(root, "top_p", {.min = 1e-6, .max = 1});
  config.min_p = OptionalNumber(root, "min_p", {.min = 0, .max = 1});
  if (root.Has("top_k")) config.top_k = static_cast<int32_t>(root.Int("top_k", {.min = 0, .max = INT32_MAX}));
  if (!status.ok()) return status;
  return config;
}

absl::StatusOr<GenerationConfig> LoadGenerationConfig(const std::filesystem::path& dir, int32_t vocab_size) {
  constexpr int64_t kMaxBytes = 1 << 20;
  auto json = ReadTextFile(dir / "generation_config.json", kMaxBytes);
  if (absl::IsNotFound(json.status())) return GenerationConfig{};
  if (!json.ok()) return json.status();
  return ParseGenerationConfig(*json, vocab_size);
}

}  // namespace batucada
