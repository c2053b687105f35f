// How SGLang's /generate tells a text: an object with the text, its ids and what is known of it; a list where there are
// several; of a stream, an event as it grows, with all of it so far.
#pragma once

#include <cstdint>
#include <memory>

#include "server/compat/dialect.h"
#include "text/tokenizer.h"

namespace batucada {

struct SglangDetails {
  bool list = false;         // of texts, even if it has one
  bool scores = false;       // log-probabilities of the tokens
  bool token_texts = false;  // and their texts
  int64_t first_score = -1;  // the first token of the prompt that is told of; -1: none
  int64_t top = 0;           // of the most likely tokens, beside each
};

// `tokenizer` outlives it.
std::unique_ptr<Dialect> MakeSglangDialect(const Tokenizer& tokenizer, const SglangDetails& details);

}  // namespace batucada
