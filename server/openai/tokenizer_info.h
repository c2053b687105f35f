// GET /tokenizer_info: what a client needs that tokenizes and renders by itself (lm-eval), as vLLM tells it.
#pragma once

#include <string>

#include "server/generate/service.h"

namespace batucada {

// The model's tokenizer_config.json with special tokens as plain texts, and the chat template in use, as JSON.
std::string TokenizerInfo(const Service& service);

}  // namespace batucada
