// How Ollama tells an answer: a line of JSON for each piece, and a last one with figures.
#pragma once

#include <memory>

#include "server/compat/dialect.h"
#include "text/tokenizer.h"

namespace batucada {

enum class OllamaForm : uint8_t { kGenerate, kChat };
enum class OllamaScores : uint8_t {
  kNone,
  kTold
};  // log-probabilities of tokens, in the line behind whose text they are

// `tokenizer` outlives it.
std::unique_ptr<Dialect> MakeOllamaDialect(const Tokenizer& tokenizer, OllamaForm form, OllamaScores scores);

}  // namespace batucada
