#include "server/http/completion_choice.h"

#include <utility>

namespace batucada {

namespace {

// How many special tokens the tokenizer put before a text: those at the start of its ids that the text does not begin
// with itself.
size_t TokensPutBefore(const std::string& text, const SharedArray<int32_t>& ids, const Tokenizer& tokenizer) {
  size_t end = 0;
  while (end < ids.size() && tokenizer.IsSpecial(ids[end])) ++end;
  for (size_t count = 0; count < end; ++count) {
    std::string shown;
    for (size_t i = count; i < end; ++i) shown += tokenizer.TokenBytes(ids[i]);
    if (text.starts_with(shown)) return count;
  }
  return end;
}

}  // namespace

CompletionChoice::CompletionChoice(int64_t index, const ChoiceOptions& options, const Tokenizer& tokenizer,
                                   SharedArray<int32_t> prompt, std::string prompt_text)
    : index_(index), options_(options), text_(std::move(prompt_text)), logprobs_(tokenizer),
      extras_(options, tokenizer, options.return_token_ids ? prompt : SharedArray<int32_t>()) {
  if (!options_.echo || !options_.logprobs) return;
  if (options_.echoes_text) hidden_ = TokensPutBefore(text_, prompt, tokenizer);
  logprobs_.AddUnscored(prompt.front(), NextOfPrompt());
}

void CompletionChoice::Take(Update& update) {
  text_ += update.text;
  if (options_.logprobs) {
    if (options_.echo) {
      for (const TokenResult& token : update.prompt_logprobs) logprobs_.Add(token, NextOfPrompt());
    }
    for (const TokenResult& token : update.tokens) {
      logprobs_.Add(token, options_.special_tokens ? Specials::kShown : Specials::kHidden);
    }
  }
  extras_.Take(update);
  if (update.finish) finish_ = std::move(update.finish);
}

Specials CompletionChoice::NextOfPrompt() {
  if (!options_.echoes_text) return options_.special_tokens ? Specials::kShown : Specials::kHidden;
  if (hidden_ == 0) return Specials::kShown;
  --hidden_;
  return Specials::kHidden;
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
