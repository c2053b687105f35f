// From what a client asks for to what the engine runs: the one place where values are checked, for every front end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/core/request.h"
#include "server/config/served_names.h"
#include "server/generate/completion_params.h"
#include "server/generate/translation_context.h"
#include "text/answer/answer_parser.h"

namespace batucada {

// Bounds that are part of the interface rather than settings.
inline constexpr int64_t kMaxLogprobs = 20;
inline constexpr int64_t kMaxStopStringBytes = 1024;
inline constexpr int64_t kMaxStopTokenIds = 64;
inline constexpr size_t kMaxCacheSaltBytes = 256;
inline constexpr int64_t kDefaultMaxTokens = 16;

// One request of a client, ready for the engine.
struct Translation {
  std::string model;              // the name the answer carries
  std::vector<Request> requests;  // one for each prompt, with the seed of its first choice
  std::vector<std::string>
      prompt_text;  // of each prompt, if the answer echoes it: the text that the completion follows
  std::shared_ptr<const AnswerForm> answer;  // what to look for in the answers to a conversation; null: no conversation
  std::string narrowing;              // the parameter to name where no token is left to draw, as the client calls it
  double temperature = 1, top_p = 1;  // as they were given, before they became single precision
  int32_t choices_per_prompt = 1;     // n, or best_of; choice i of prompt p has the index p * n + i on the wire
  int32_t kept_per_prompt = 1;        // n

  size_t choices() const { return requests.size() * static_cast<size_t>(choices_per_prompt); }
  size_t PromptOf(size_t choice) const { return choice / static_cast<size_t>(choices_per_prompt); }
};

// INVALID_ARGUMENT or NOT_FOUND (the model) name the parameter, its value and the limit. Thread-safe.
absl::StatusOr<Translation> Translate(const CompletionParams& params, const TranslationContext& context);

// An error about a parameter, with the client's name for it.
absl::Status InClientsWords(absl::Status status, const ParameterNames& names);

// Request::cache_scope of the client's texts with that salt.
std::string CacheScope(const TranslationContext& context, std::string_view salt);

// Whether the echo of prompt `prompt` is the client's own text, and not what its ids decode to.
bool EchoesText(const CompletionParams& params, size_t prompt);

// The seed of choice `choice`: `seed` itself for the first, so that n = 1 and the first of many draw the same text.
uint64_t ChoiceSeed(uint64_t seed, int32_t choice);

}  // namespace batucada
