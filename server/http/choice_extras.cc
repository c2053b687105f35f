#include "server/http/choice_extras.h"

#include <iterator>
#include <utility>

#include "server/http/logprobs_json.h"
#include "server/metrics.h"

namespace batucada {

void WriteFinish(const std::optional<Finish>& finish, JsonWriter& json) {
  json.Key("finish_reason");
  finish ? json.String(FinishReasonName(finish->reason)) : json.Null();
  json.Key("stop_reason");
  if (finish && finish->stop_string) {
    json.String(*finish->stop_string);
  } else if (finish && finish->stop_token) {
    json.Int(*finish->stop_token);
  } else {
    json.Null();
  }
}

ChoiceExtras::ChoiceExtras(const ChoiceOptions& options, const Tokenizer& tokenizer, std::vector<int32_t> prompt)
    : options_(options), tokenizer_(tokenizer), prompt_(std::move(prompt)), prompt_ids_due_(options.return_token_ids) {}

void ChoiceExtras::Take(Update& update) {
  if (options_.prompt_logprobs) {
    std::move(update.prompt_logprobs.begin(), update.prompt_logprobs.end(), std::back_inserter(prompt_scores_));
  }
  if (!options_.return_token_ids) return;
  for (const TokenResult& token : update.tokens) ids_.push_back(token.id);
}

void ChoiceExtras::WriteTokens(JsonWriter& json) {
  if (!options_.return_token_ids) return;
  json.Key("token_ids").BeginArray();
  for (const int32_t id : ids_) json.Int(id);
  json.EndArray();
  ids_.clear();
}

void ChoiceExtras::WritePrompt(JsonWriter& json) {
  if (prompt_ids_due_) {
    json.Key("prompt_token_ids").BeginArray();
    for (const int32_t id : prompt_) json.Int(id);
    json.EndArray();
    prompt_ids_due_ = false;
  }
  if (options_.prompt_logprobs) {
    json.Key("prompt_logprobs");
    WritePromptLogprobs(tokenizer_, prompt_scores_, json);
  }
}

}  // namespace batucada
