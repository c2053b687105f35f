#include "server/http/completion_choice.h"

#include <utility>

namespace batucada {

CompletionChoice::CompletionChoice(int64_t index, const ChoiceOptions& options, const Tokenizer& tokenizer,
                                   std::vector<int32_t> prompt, std::string prompt_text)
    : index_(index), options_(options), text_(std::move(prompt_text)), logprobs_(tokenizer),
      extras_(options, tokenizer, options.return_token_ids ? prompt : std::vector<int32_t>()) {
  if (options_.echo && options_.logprobs) logprobs_.AddUnscored(prompt.front());
}

void CompletionChoice::Take(Update& update) {
  text_ += update.text;
  if (options_.logprobs) {
    if (options_.echo) {
      for (const TokenResult& token : update.prompt_logprobs) logprobs_.Add(token);
    }
    for (const TokenResult& token : update.tokens) logprobs_.Add(token);
  }
  extras_.Take(update);
  if (update.finish) finish_ = std::move(update.finish);
}

bool CompletionChoice::HasNews() const { return !text_.empty() || !logprobs_.empty() || extras_.HasNews() || finish_; }

void CompletionChoice::Write(JsonWriter& json) {
  json.BeginObject().Key("index").Int(index_).Key("text").String(text_);
  text_.clear();
  json.Key("logprobs");
  options_.logprobs ? logprobs_.Write(json) : static_cast<void>(json.Null());
  WriteFinish(finish_, json);
  finish_.reset();
  extras_.Write(json);
  json.EndObject();
}

}  // namespace batucada
