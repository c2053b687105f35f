// POST /tokenize and POST /detokenize, as vLLM's users know them, and llama.cpp's by the names of theirs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/generate/service.h"
#include "server/http/http.h"
#include "server/json/parameter_table.h"
#include "text/chat_template.h"

namespace batucada {

struct TokenizeParams {
  std::string model;
  std::optional<std::string> prompt;       // this
  std::optional<ChatInput> conversation;   // or that
  std::optional<bool> add_special_tokens;  // absent: around `prompt`; a chat template writes its own
  bool parse_special = true;               // special tokens written out in `prompt` are those tokens
  bool return_token_strs = false;
  bool with_pieces = false;  // each token as {"id": …, "piece": …}, as llama.cpp tells it
};

struct DetokenizeParams {
  std::string model;
  std::vector<int64_t> tokens;
  bool skip_special_tokens = false;
};

const ParameterTable<TokenizeParams>& TokenizeParameters();
const ParameterTable<DetokenizeParams>& DetokenizeParameters();

// All thread-safe.
Answer HandleTokenize(Service& service, const HttpRequest& request);
Answer HandleDetokenize(Service& service, const HttpRequest& request);

}  // namespace batucada
