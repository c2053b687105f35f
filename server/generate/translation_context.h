// What a request is checked against, whichever front end it came through.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/generation_config.h"
#include "server/common/client.h"
#include "server/config/server_config.h"
#include "text/answer/call_format.h"
#include "text/answer/thinking.h"
#include "text/chat_template.h"
#include "text/grammar.h"
#include "text/token_memory.h"
#include "text/tokenizer.h"

namespace batucada {

// Everything outlives the translation.
struct TranslationContext {
  const Tokenizer& tokenizer;
  const ChatTemplate* chat_template = nullptr;  // null: the model has none
  const GenerationConfig& defaults;             // the model's own, for what a request leaves open
  const std::vector<std::string>& model_names;
  RequestBounds limits;
  int64_t max_total_tokens = 0;
  int32_t vocab_size = 0;  // ids the model has; may exceed the tokenizer's
  PrefixCacheScope prefix_cache_scope = PrefixCacheScope::kKey;
  TokenMemory* token_memory = nullptr;                     // null: every text is tokenized anew
  GrammarCompiler* grammars = nullptr;                     // null: no request may ask for one
  CallFormat call_format = CallFormat::kAuto;              // kAuto: the template's
  ThinkingFormat thinking_format = ThinkingFormat::kAuto;  // likewise
  Client client = {};  // whose request it is, with the least rights if nobody has said
};

}  // namespace batucada
