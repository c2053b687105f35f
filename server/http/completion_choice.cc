#include "server/http/completion_choice.h"

#include <iterator>
#include <utility>

#include "server/metrics.h"

namespace batucada {

CompletionChoice::CompletionChoice(int64_t index, const Options& options, const Tokenizer& tokenizer,
                                   std::vector<int32_t> prompt, std::string prompt_text)
    : index_(index), options_(options), tokenizer_(tokenizer), prompt_(std::move(prompt)),
      prompt_ids_due_(options.return_token_ids), text_(std::move(prompt_text)), logprobs_(tokenizer) {
  if (options_.echo && options_.logprobs) logprobs_.AddUnscored(prompt_.front());
}

void CompletionChoice::Take(Update& update) {
  text_ += update.text;
  if (options_.echo && options_.logprobs) {
    for (const TokenResult& token : update.prompt_logprobs) logprobs_.Add(token);
  }
  if (options_.prompt_logprobs) {
    std::move(update.prompt_logprobs.begin(), update.prompt_logprobs.end(), std::back_inserter(prompt_scores_));
  }
  for (const TokenResult& token : update.tokens) {
    if (options_.logprobs) logprobs_.Add(token);
    if (options_.return_token_ids) ids_.push_back(token.id);
  }
  if (update.finish) finish_ = std::move(update.finish);
}

bool CompletionChoice::HasNews() const {
  return !text_.empty() || !logprobs_.empty() || !ids_.empty() || prompt_ids_due_ || finish_;
}

void CompletionChoice::Write(JsonWriter& json) {
  json.BeginObject().Key("index").Int(index_).Key("text").String(text_);
  text_.clear();
  json.Key("logprobs");
  options_.logprobs ? logprobs_.Write(json) : static_cast<void>(json.Null());
  json.Key("finish_reason");
  finish_ ? json.String(FinishReasonName(finish_->reason)) : json.Null();
  json.Key("stop_reason");
  if (finish_ && finish_->stop_string) {
    json.String(*finish_->stop_string);
  } else if (finish_ && finish_->stop_token) {
    json.Int(*finish_->stop_token);
  } else {
    json.Null();
  }
  finish_.reset();
  if (options_.return_token_ids) {
    json.Key("token_ids").BeginArray();
    for (const int32_t id : ids_) json.Int(id);
    json.EndArray();
    ids_.clear();
  }
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
  json.EndObject();
}

}  // namespace batucada
