#include "server/translate.h"

#include <algorithm>
#include <limits>
#include <random>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/core/status.h"
#include "server/error.h"

namespace batucada {
namespace {

absl::Status CheckRange(std::string_view name, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return InvalidParameter(name, fmt::format("{} is {}: it must be {} to {}", name, value, low, high));
}

// NaN fails too. `low` itself is allowed if `closed`.
enum class Lower : uint8_t { kClosed, kOpen };
absl::Status CheckRange(std::string_view name, double value, double low, Lower lower, double high) {
  const bool above = lower == Lower::kClosed ? value >= low : value > low;
  if (above && value <= high) return absl::OkStatus();
  return InvalidParameter(name, fmt::format("{} is {}: it must be {} {} and at most {}", name, value,
                                            lower == Lower::kClosed ? "at least" : "more than", low, high));
}

absl::StatusOr<SamplingParams> TranslateSampling(const CompletionParams& params, const GenerationConfig& defaults) {
  SamplingParams sampling;
  if (defaults.temperature) sampling.temperature = std::min(*defaults.temperature, static_cast<float>(kMaxTemperature));
  if (defaults.top_p) sampling.top_p = *defaults.top_p;
  if (defaults.min_p) sampling.min_p = *defaults.min_p;
  if (defaults.top_k) sampling.top_k = *defaults.top_k;
  if (params.temperature) {
    BATUCADA_RETURN_IF_ERROR(CheckRange("temperature", *params.temperature, 0, Lower::kClosed, kMaxTemperature));
    sampling.temperature = static_cast<float>(*params.temperature);
  }
  if (params.top_p) {
    BATUCADA_RETURN_IF_ERROR(CheckRange("top_p", *params.top_p, 0, Lower::kOpen, 1));
    sampling.top_p = std::max(static_cast<float>(*params.top_p), std::numeric_limits<float>::min());
  }
  if (params.min_p) {
    BATUCADA_RETURN_IF_ERROR(CheckRange("min_p", *params.min_p, 0, Lower::kClosed, 1));
    sampling.min_p = static_cast<float>(*params.min_p);
  }
  if (params.top_k) {
    BATUCADA_RETURN_IF_ERROR(CheckRange("top_k", *params.top_k, -1, std::numeric_limits<int32_t>::max()));
    sampling.top_k = static_cast<int32_t>(std::max<int64_t>(*params.top_k, 0));  // -1 is a common way to say all
  }
  return sampling;
}

absl::Status TranslateStops(const CompletionParams& params, int32_t vocab_size, Request* request) {
  const auto count = [](const auto& list) { return static_cast<int64_t>(list.size()); };
  if (count(params.stop) > kMaxStopStrings) {
    return InvalidParameter("stop",
                            fmt::format("stop has {} strings: at most {}", params.stop.size(), kMaxStopStrings));
  }
  for (size_t i = 0; i < params.stop.size(); ++i) {
    if (params.stop[i].empty()) {
      return InvalidParameter(fmt::format("stop[{}]", i), fmt::format("stop[{}] is empty: it would end every text", i));
    }
    if (count(params.stop[i]) > kMaxStopStringBytes) {
      return InvalidParameter(fmt::format("stop[{}]", i), fmt::format("stop[{}] has {} bytes: at most {}", i,
                                                                      params.stop[i].size(), kMaxStopStringBytes));
    }
  }
  if (count(params.stop_token_ids) > kMaxStopTokenIds) {
    return InvalidParameter("stop_token_ids", fmt::format("stop_token_ids has {} ids: at most {}",
                                                          params.stop_token_ids.size(), kMaxStopTokenIds));
  }
  for (size_t i = 0; i < params.stop_token_ids.size(); ++i) {
    const std::string name = fmt::format("stop_token_ids[{}]", i);
    BATUCADA_RETURN_IF_ERROR(CheckRange(name, params.stop_token_ids[i], 0, vocab_size - 1));
    request->stop_token_ids.push_back(static_cast<int32_t>(params.stop_token_ids[i]));
  }
  request->stop = params.stop;
  request->ignore_eos = params.ignore_eos;
  request->skip_special_tokens = params.skip_special_tokens;
  return absl::OkStatus();
}

absl::Status TranslateLogprobs(const CompletionParams& params, Request* request) {
  if (params.logprobs) {
    BATUCADA_RETURN_IF_ERROR(CheckRange("logprobs", *params.logprobs, 0, kMaxLogprobs));
    request->logprobs = static_cast<int32_t>(*params.logprobs);
    if (params.echo) request->prompt_logprobs = request->logprobs;
  }
  if (params.prompt_logprobs) {
    BATUCADA_RETURN_IF_ERROR(CheckRange("prompt_logprobs", *params.prompt_logprobs, 0, kMaxLogprobs));
    request->prompt_logprobs =
        std::max(static_cast<int32_t>(*params.prompt_logprobs), request->prompt_logprobs.value_or(0));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> TranslatePrompt(const Prompt& prompt, const std::string& name,
                                                     const TranslationContext& context) {
  std::vector<int32_t> ids;
  if (const std::string* text = std::get_if<std::string>(&prompt)) {
    absl::StatusOr<std::vector<int32_t>> encoded = context.tokenizer.Encode(*text, EncodeOptions{});
    if (!encoded.ok()) {
      return InvalidParameter(name, fmt::format("{}: {}", name, std::string(encoded.status().message())));
    }
    ids = *std::move(encoded);
  } else {
    ids = std::get<std::vector<int32_t>>(prompt);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] >= 0 && ids[i] < context.vocab_size) continue;
      const std::string element = fmt::format("{}[{}]", name, i);
      return InvalidParameter(element, fmt::format("{} is {}: token ids of this model are 0 to {}", element, ids[i],
                                                   context.vocab_size - 1));
    }
  }
  if (ids.empty()) return InvalidParameter(name, fmt::format("{} is empty: it must have at least one token", name));
  return ids;
}

absl::Status CheckLength(size_t prompt_tokens, int64_t max_tokens, const std::string& name,
                         const TranslationContext& context) {
  const int64_t prompt = static_cast<int64_t>(prompt_tokens);
  if (prompt <= context.max_total_tokens && max_tokens <= context.max_total_tokens - prompt) return absl::OkStatus();
  return InvalidParameter(prompt >= context.max_total_tokens ? name : "max_tokens",
                          fmt::format("{} has {} tokens and max_tokens is {}: together at most {} are allowed", name,
                                      prompt, max_tokens, context.max_total_tokens),
                          "context_length_exceeded");
}

uint64_t RandomSeed() {
  thread_local std::mt19937_64 generator{(uint64_t{std::random_device{}()} << 32) ^ std::random_device{}()};
  return generator();
}

}  // namespace

absl::StatusOr<std::string> ResolveModel(const std::string& name, const std::vector<std::string>& names) {
  if (name.empty()) return names.front();
  if (std::find(names.begin(), names.end(), name) != names.end()) return name;
  return WithParameter(absl::NotFoundError(fmt::format("the model '{}' does not exist: this server has {}",
                                                       name.substr(0, 200), fmt::join(names, ", "))),
                       "model", "model_not_found");
}

uint64_t ChoiceSeed(uint64_t seed, int32_t choice) {
  if (choice == 0) return seed;
  // SplitMix64 (Steele, Lea, Flood 2014): its outputs for consecutive counters are as good as independent.
  uint64_t z = seed + static_cast<uint64_t>(choice) * 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

absl::StatusOr<Translation> Translate(const CompletionParams& params, const TranslationContext& context) {
  Translation translation;
  BATUCADA_ASSIGN_OR_RETURN(translation.model, ResolveModel(params.model, context.model_names));
  const int64_t n = params.n.value_or(1);
  BATUCADA_RETURN_IF_ERROR(CheckRange("n", n, 1, context.limits.max_choices));
  translation.choices_per_prompt = static_cast<int32_t>(n);
  if (params.prompts.empty()) return InvalidParameter("prompt", "prompt is missing", "missing_parameter");
  if (static_cast<int64_t>(params.prompts.size()) > context.limits.max_prompts) {
    return InvalidParameter("prompt", fmt::format("prompt has {} prompts: at most {} in one request",
                                                  params.prompts.size(), context.limits.max_prompts));
  }

  Request request;
  BATUCADA_ASSIGN_OR_RETURN(request.sampling, TranslateSampling(params, context.defaults));
  BATUCADA_RETURN_IF_ERROR(TranslateStops(params, context.vocab_size, &request));
  BATUCADA_RETURN_IF_ERROR(TranslateLogprobs(params, &request));
  request.max_tokens = params.max_tokens.value_or(kDefaultMaxTokens);
  BATUCADA_RETURN_IF_ERROR(CheckRange("max_tokens", request.max_tokens, 0, context.max_total_tokens));
  if (request.max_tokens == 0 && !request.prompt_logprobs) {
    return InvalidParameter("max_tokens",
                            "max_tokens is 0: that only scores a prompt, with echo and logprobs, or with "
                            "prompt_logprobs; otherwise it must be at least 1");
  }
  request.deadline = params.deadline;
  request.sampling.seed = params.seed ? static_cast<uint64_t>(*params.seed) : RandomSeed();

  for (size_t p = 0; p < params.prompts.size(); ++p) {
    const std::string name = params.prompts.size() == 1 ? "prompt" : fmt::format("prompt[{}]", p);
    BATUCADA_ASSIGN_OR_RETURN(request.prompt, TranslatePrompt(params.prompts[p], name, context));
    BATUCADA_RETURN_IF_ERROR(CheckLength(request.prompt.size(), request.max_tokens, name, context));
    if (params.echo) {
      const std::string* text = std::get_if<std::string>(&params.prompts[p]);
      translation.prompt_text.push_back(
          text != nullptr ? *text : context.tokenizer.Decode(request.prompt, params.skip_special_tokens));
    }
    translation.requests.push_back(request);
  }
  return translation;
}

}  // namespace batucada
