#include "server/openai/chat_logprobs.h"

#include <string_view>

namespace batucada {
namespace {

// Its members, not its braces.
void WriteToken(const Tokenizer& tokenizer, TokenNames names, int32_t id, float logprob, JsonWriter& json) {
  json.Key("token").String(TokenName(tokenizer, id, names)).Key("logprob").Number(logprob);
  // A token may be a part of a character: only its bytes say what it is.
  json.Key("bytes").BeginArray();
  for (const char byte : tokenizer.TokenBytes(id)) json.Int(static_cast<unsigned char>(byte));
  json.EndArray();
}

}  // namespace

Pieces WriteTokenLogprobs(const Tokenizer& tokenizer, TokenNames names, std::span<const TokenResult> tokens,
                          JsonWriter& json) {
  json.BeginArray();
  for (const TokenResult& token : tokens) {
    json.BeginObject();
    WriteToken(tokenizer, names, token.id, token.logprob, json);
    json.Key("top_logprobs").BeginArray();
    for (const TokenLogprob& top : token.top) {
      json.BeginObject();
      WriteToken(tokenizer, names, top.id, top.logprob, json);
      json.EndObject();
    }
    json.EndArray().EndObject();
    if (json.full()) co_yield nullptr;
  }
  json.EndArray();
}

Pieces ChatLogprobs::Write(JsonWriter& json) {
  json.BeginObject().Key("content");
  BATUCADA_WRITE(WriteTokenLogprobs(tokenizer_, names_, tokens_, json));
  json.Key("refusal").Null().EndObject();
  tokens_.clear();
}

}  // namespace batucada
