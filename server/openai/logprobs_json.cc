#include "server/openai/logprobs_json.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "text/utf8.h"

namespace batucada {

std::string TokenString(const Tokenizer& tokenizer, int32_t id) {
  const std::string_view bytes = tokenizer.TokenBytes(id);
  if (!FindInvalidUtf8(bytes)) return std::string(bytes);
  std::string escaped = "bytes:";
  for (const char c : bytes) fmt::format_to(std::back_inserter(escaped), "\\x{:02x}", static_cast<unsigned char>(c));
  return escaped;
}

std::string TokenName(const Tokenizer& tokenizer, int32_t id, TokenNames names) {
  return names == TokenNames::kId ? fmt::format("token_id:{}", id) : TokenString(tokenizer, id);
}

LogprobsJson::LogprobsJson(const Tokenizer& tokenizer, std::span<const int32_t> prompt, Specials generated,
                           std::string_view echo, TokenNames names)
    : tokenizer_(tokenizer), names_(names), prompt_(tokenizer, /*skip_special=*/false),
      completion_(tokenizer, generated == Specials::kHidden), echo_begins_with_space_(echo.starts_with(' ')),
      echoed_(static_cast<int64_t>(CountCharacters(echo))), characters_(echoed_) {
  completion_.Follow(prompt);
}

// The echo is the client's own text, which a tokenizer may have changed before it cut it: by a space in front, which is
// not counted, or by normal forms, where offsets stay within it.
int64_t LogprobsJson::OffsetInPrompt(int32_t id, Specials specials) {
  if (specials == Specials::kHidden && tokenizer_.IsSpecial(id)) return std::min(prompt_characters_, echoed_);
  int64_t lead = 0;
  const std::string text = prompt_.Push(id, &lead);
  const int64_t offset = std::max<int64_t>(prompt_characters_ + lead, 0);
  if (!text.empty() && !std::exchange(prompt_began_, true) && text.front() == ' ' && !echo_begins_with_space_) {
    --prompt_characters_;
  }
  prompt_characters_ += static_cast<int64_t>(CountCharacters(text));
  return std::min(offset, echoed_);
}

void LogprobsJson::AddFirstOfPrompt(int32_t id, Specials specials) {
  own_.push_back({.id = id, .top = {}});
  entries_.push_back({.token = &own_.back(), .scored = false, .offset = OffsetInPrompt(id, specials)});
}

void LogprobsJson::AddPrompt(const SharedArray<TokenResult>& scores, const std::function<Specials()>& specials) {
  shared_.push_back(scores);
  for (const TokenResult& token : scores) {
    entries_.push_back({.token = &token, .scored = true, .offset = OffsetInPrompt(token.id, specials())});
  }
}

void LogprobsJson::Add(const TokenResult& token) {
  int64_t lead = 0;
  const std::string text = completion_.Push(token.id, &lead);
  own_.push_back(token);
  entries_.push_back({.token = &own_.back(), .scored = true, .offset = characters_ + lead});
  characters_ += static_cast<int64_t>(CountCharacters(text));
}

Pieces LogprobsJson::Write(JsonWriter& json) {
  json.BeginObject().Key("tokens").BeginArray();
  for (const Entry& entry : entries_) {
    json.String(TokenName(tokenizer_, entry.token->id, names_));
    if (json.full()) co_yield nullptr;
  }
  json.EndArray().Key("token_logprobs").BeginArray();
  for (const Entry& entry : entries_) {
    entry.scored ? json.Number(entry.token->logprob) : json.Null();
    if (json.full()) co_yield nullptr;
  }
  json.EndArray().Key("top_logprobs").BeginArray();
  for (const Entry& entry : entries_) {
    if (json.full()) co_yield nullptr;
    if (!entry.scored) {
      json.Null();
      continue;
    }
    // As OpenAI does: the token itself is there too, if it is not one of the most likely.
    json.BeginObject();
    bool has_token = false;
    for (const TokenLogprob& top : entry.token->top) {
      has_token |= top.id == entry.token->id;
      json.Key(TokenName(tokenizer_, top.id, names_)).Number(top.logprob);
    }
    if (!has_token) json.Key(TokenName(tokenizer_, entry.token->id, names_)).Number(entry.token->logprob);
    json.EndObject();
  }
  json.EndArray().Key("text_offset").BeginArray();
  for (const Entry& entry : entries_) {
    json.Int(entry.offset);
    if (json.full()) co_yield nullptr;
  }
  json.EndArray().EndObject();
  entries_.clear();
  own_.clear();
  shared_.clear();
}

namespace {

void WriteScores(const Tokenizer& tokenizer, const TokenResult& token, JsonWriter& json) {
  const auto write = [&](int32_t id, float logprob, int32_t rank) {
    json.Key(std::to_string(id)).BeginObject();
    json.Key("logprob").Number(logprob).Key("rank").Int(rank).Key("decoded_token").String(TokenString(tokenizer, id));
    json.EndObject();
  };
  json.BeginObject();
  bool has_token = false;
  for (size_t i = 0; i < token.top.size(); ++i) {
    has_token |= token.top[i].id == token.id;
    write(token.top[i].id, token.top[i].logprob, static_cast<int32_t>(i) + 1);
  }
  if (!has_token) write(token.id, token.logprob, token.rank);
  json.EndObject();
}

}  // namespace

Pieces WritePromptLogprobs(const Tokenizer& tokenizer, const std::vector<SharedArray<TokenResult>>& pieces,
                           JsonWriter& json) {
  json.BeginArray().Null();  // nothing predicts the first token
  for (const SharedArray<TokenResult>& piece : pieces) {
    for (const TokenResult& token : piece) {
      WriteScores(tokenizer, token, json);
      if (json.full()) co_yield nullptr;
    }
  }
  json.EndArray();
}

}  // namespace batucada
