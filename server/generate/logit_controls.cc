#include "server/generate/logit_controls.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/generate/check_range.h"
#include "server/generate/prompt_encoder.h"

namespace batucada {
namespace {

absl::Status TranslateBiases(const CompletionParams& params, const TranslationContext& context,
                             SamplingParams* sampling) {
  BATUCADA_RETURN_IF_ERROR(
      CheckCount("logit_bias", params.logit_bias.size(), context.limits.max_logit_biases, "entries"));
  std::vector<LogitBias> biases;
  absl::flat_hash_set<int64_t> biased;  // JSON can write an id in two ways: 1 and 01
  for (const auto& [id, bias] : params.logit_bias) {
    if (id < 0 || id >= context.vocab_size) {
      return InvalidParameter("logit_bias", fmt::format("logit_bias has the token id {}: ids of this model are 0 to {}",
                                                        id, context.vocab_size - 1));
    }
    if (bias != -std::numeric_limits<double>::infinity()) {
      BATUCADA_RETURN_IF_ERROR(
          CheckParameter(fmt::format("logit_bias.{}", id), bias, -kMaxLogitBias, Lower::kClosed, kMaxLogitBias));
    }
    if (!biased.insert(id).second) {
      return InvalidParameter("logit_bias", fmt::format("logit_bias names the token id {} twice: once is enough", id));
    }
    biases.push_back({.id = static_cast<int32_t>(id), .bias = static_cast<float>(bias)});
  }
  sampling->logit_bias = std::move(biases);
  return absl::OkStatus();
}

// A word inside a text begins with a blank, which most tokenizers make part of its token: both spellings are meant.
absl::Status AddBadWord(const std::string& word, const std::string& name, const Tokenizer& tokenizer,
                        std::vector<std::vector<int32_t>>* runs) {
  const std::string bare(absl::StripLeadingAsciiWhitespace(word));
  if (bare.empty()) return InvalidParameter(name, fmt::format("{} is empty", name));
  std::vector<int32_t> first;
  for (const std::string& spelling : {bare, " " + bare}) {
    BATUCADA_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                              EncodeText(spelling, name, {.add_special_tokens = false}, tokenizer));
    if (ids.empty() || ids == first) continue;
    if (static_cast<int64_t>(ids.size()) > kMaxBadWordTokens) {
      return InvalidParameter(name, fmt::format("{} has {} tokens: at most {}", name, ids.size(), kMaxBadWordTokens));
    }
    first = ids;
    runs->push_back(std::move(ids));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TranslateLogitControls(const CompletionParams& params, const TranslationContext& context,
                                    Request* request) {
  SamplingParams* sampling = &request->sampling;
  BATUCADA_RETURN_IF_ERROR(TranslateBiases(params, context, sampling));
  sampling->min_tokens = params.min_tokens.value_or(0);
  if (params.allowed_token_ids) {
    if (params.allowed_token_ids->empty()) {
      return InvalidParameter("allowed_token_ids", "allowed_token_ids is empty: nothing could be generated");
    }
    BATUCADA_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                              ToTokenIds(*params.allowed_token_ids, "allowed_token_ids", context.vocab_size));
    // Each once: what is held is no longer than the vocabulary.
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    ids.shrink_to_fit();
    sampling->allowed_token_ids = std::move(ids);
  }
  BATUCADA_RETURN_IF_ERROR(CheckCount("bad_words", params.bad_words.size(), kMaxBadWords, "words"));
  std::vector<std::vector<int32_t>> runs;
  for (size_t i = 0; i < params.bad_words.size(); ++i) {
    BATUCADA_RETURN_IF_ERROR(
        AddBadWord(params.bad_words[i], fmt::format("bad_words[{}]", i), context.tokenizer, &runs));
  }
  sampling->bad_words = std::move(runs);
  return absl::OkStatus();
}

}  // namespace batucada
