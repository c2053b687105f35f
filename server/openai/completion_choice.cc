#include "server/openai/completion_choice.h"

#include <utility>

#include "text/utf8.h"

namespace batucada {

CompletionChoice::CompletionChoice(int64_t index, const ChoiceOptions& options, const Tokenizer& tokenizer,
                                   const SharedArray<int32_t>& prompt, std::string prompt_text)
    : index_(index), options_(options), text_(std::move(prompt_text)), prompt_size_(prompt.size()),
      logprobs_(tokenizer, prompt, options.special_tokens ? Specials::kShown : Specials::kHidden,
                static_cast<int64_t>(CountCharacters(text_)), TokenNamesOf(options)),
      extras_(options, tokenizer, options.return_token_ids ? prompt : SharedArray<int32_t>()) {
  if (options_.echo && options_.logprobs) logprobs_.AddFirstOfPrompt(prompt.front(), NextOfPrompt());
}

void CompletionChoice::Take(Update& update) {
  text_ += update.text;
  if (options_.logprobs) {
    if (options_.echo && !update.prompt_logprobs.empty()) {
      logprobs_.AddPrompt(update.prompt_logprobs, [this] { return NextOfPrompt(); });
    }
    for (const TokenResult& token : update.tokens) logprobs_.Add(token);
  }
  extras_.Take(update);
  if (update.finish) finish_ = std::move(update.finish);
}

Specials CompletionChoice::NextOfPrompt() {
  if (!options_.echoes_text) return options_.special_tokens ? Specials::kShown : Specials::kHidden;
  // The client's own text shows what is written in it, and not what the tokenizer put around it.
  const size_t at = prompt_at_++;
  const bool added = at < options_.added_before || at + options_.added_after >= prompt_size_;
  return added ? Specials::kHidden : Specials::kShown;
}

bool CompletionChoice::HasNews() const { return !text_.empty() || !logprobs_.empty() || extras_.HasNews() || finish_; }

Pieces CompletionChoice::Write(JsonWriter& json) {
  json.BeginObject().Key("index").Int(index_).Key("text");
  if (json.IsLong(text_)) {
    BATUCADA_WRITE(json.LongString(text_));
  } else {
    json.String(text_);
  }
  text_.clear();
  json.Key("logprobs");
  if (options_.logprobs) {
    BATUCADA_WRITE(logprobs_.Write(json));
  } else {
    json.Null();
  }
  WriteFinish(finish_, json);
  finish_.reset();
  if (extras_.wanted()) {
    BATUCADA_WRITE(extras_.WriteTokens(json));
    BATUCADA_WRITE(extras_.WritePrompt(json));
  }
  json.EndObject();
}

}  // namespace batucada
