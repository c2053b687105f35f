#include "server/openai/completion_choice.h"

#include <utility>

namespace batucada {

CompletionChoice::CompletionChoice(int64_t index, const ChoiceOptions& options, const Tokenizer& tokenizer,
                                   const SharedArray<int32_t>& prompt, std::shared_ptr<const std::string> prompt_text)
    : index_(index), options_(options), echo_(std::move(prompt_text)), prompt_size_(prompt.size()),
      extras_(options, tokenizer, options.return_token_ids ? prompt : SharedArray<int32_t>()) {
  if (!options_.logprobs) return;
  logprobs_.emplace(tokenizer, prompt, options.special_tokens ? Specials::kShown : Specials::kHidden,
                    echo_ == nullptr ? std::string_view() : std::string_view(*echo_), TokenNamesOf(options));
  if (options_.echo) logprobs_->AddFirstOfPrompt(prompt.front(), NextOfPrompt());
}

void CompletionChoice::Take(Update& update) {
  text_ += update.text;
  if (logprobs_) {
    if (options_.echo && !update.prompt_logprobs.empty()) {
      logprobs_->AddPrompt(update.prompt_logprobs, [this] { return NextOfPrompt(); });
    }
    for (const TokenResult& token : update.tokens) logprobs_->Add(token);
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

bool CompletionChoice::HasNews() const {
  return (echo_ != nullptr && !echo_->empty()) || !text_.empty() || (logprobs_ && !logprobs_->empty()) ||
         extras_.HasNews() || finish_;
}

// The echo, which may be long, and the text behind it as one string.
Pieces CompletionChoice::WriteEchoed(JsonWriter& json) {
  constexpr size_t kPiece = 8 << 10;
  json.BeginString();
  for (std::string_view rest = *echo_; !rest.empty();) {
    const std::string_view piece = CutAtCharacter(rest, kPiece);
    json.AddToString(piece);
    rest.remove_prefix(piece.size());
    if (json.full()) co_yield nullptr;
  }
  json.AddToString(text_).EndString();
  echo_.reset();
}

Pieces CompletionChoice::Write(JsonWriter& json) {
  json.BeginObject().Key("index").Int(index_).Key("text");
  if (echo_ != nullptr) {
    BATUCADA_WRITE(WriteEchoed(json));
  } else if (json.IsLong(text_)) {
    BATUCADA_WRITE(json.LongString(text_));
  } else {
    json.String(text_);
  }
  text_.clear();
  json.Key("logprobs");
  if (logprobs_) {
    BATUCADA_WRITE(logprobs_->Write(json));
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
