#include "server/openai/choice_extras.h"

#include <iterator>
#include <utility>

#include "server/openai/logprobs_json.h"
#include "server/telemetry/metrics.h"

namespace batucada {

void WriteFinish(const std::optional<Finish>& finish, JsonWriter& json, std::string_view reason) {
  json.Key("finish_reason");
  finish ? json.String(reason.empty() ? FinishReasonName(finish->reason) : reason) : json.Null();
  json.Key("stop_reason");
  if (finish && finish->stop_string) {
    json.String(*finish->stop_string);
  } else if (finish && finish->stop_token) {
    json.Int(*finish->stop_token);
  } else {
    json.Null();
  }
}

Pieces WriteIds(std::span<const int32_t> ids, JsonWriter& json) {
  json.BeginArray();
  for (const int32_t id : ids) {
    json.Int(id);
    if (json.full()) co_yield nullptr;
  }
  json.EndArray();
}

ChoiceExtras::ChoiceExtras(const ChoiceOptions& options, const Tokenizer& tokenizer, SharedArray<int32_t> prompt)
    : options_(options), tokenizer_(tokenizer), prompt_(std::move(prompt)), prompt_ids_due_(options.return_token_ids) {}

void ChoiceExtras::Take(Update& update) {
  if (options_.prompt_logprobs) {
    if (!update.prompt_logprobs.empty()) prompt_scores_.push_back(update.prompt_logprobs);
  }
  if (!options_.return_token_ids) return;
  for (const TokenResult& token : update.tokens) ids_.push_back(token.id);
}

Pieces ChoiceExtras::WriteTokens(JsonWriter& json) {
  if (!options_.return_token_ids) co_return;
  json.Key("token_ids");
  BATUCADA_WRITE(WriteIds(ids_, json));
  ids_.clear();
}

Pieces ChoiceExtras::WritePrompt(JsonWriter& json) {
  if (prompt_ids_due_) {
    prompt_ids_due_ = false;
    json.Key("prompt_token_ids");
    BATUCADA_WRITE(WriteIds(prompt_.vector(), json));
  }
  if (options_.prompt_logprobs) {
    json.Key("prompt_logprobs");
    BATUCADA_WRITE(WritePromptLogprobs(tokenizer_, prompt_scores_, json));
  }
}

}  // namespace batucada
