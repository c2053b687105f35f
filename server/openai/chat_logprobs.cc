#include "server/openai/chat_logprobs.h"

#include <string_view>

namespace batucada {

void ChatLogprobs::WriteToken(int32_t id, float logprob, JsonWriter& json) const {
  json.Key("token").String(TokenName(tokenizer_, id, names_)).Key("logprob").Number(logprob);
  // A token may be a part of a character: only its bytes say what it is.
  json.Key("bytes").BeginArray();
  for (const char byte : tokenizer_.TokenBytes(id)) json.Int(static_cast<unsigned char>(byte));
  json.EndArray();
}

Pieces ChatLogprobs::Write(JsonWriter& json) {
  json.BeginObject().Key("content").BeginArray();
  for (const TokenResult& token : tokens_) {
    json.BeginObject();
    WriteToken(token.id, token.logprob, json);
    json.Key("top_logprobs").BeginArray();
    for (const TokenLogprob& top : token.top) {
      json.BeginObject();
      WriteToken(top.id, top.logprob, json);
      json.EndObject();
    }
    json.EndArray().EndObject();
    if (json.full()) co_yield nullptr;
  }
  json.EndArray().Key("refusal").Null().EndObject();
  tokens_.clear();
}

}  // namespace batucada
