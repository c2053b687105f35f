// How llama.cpp's server tells a text: one object, an event for each piece, a list where there are several texts.
#pragma once

#include <memory>

#include "server/compat/dialect.h"
#include "text/tokenizer.h"

namespace batucada {

// What is told of each token.
struct LlamaDetails {
  bool ids = false;
  bool probabilities = false;
};

// `tokenizer` outlives it.
std::unique_ptr<Dialect> MakeLlamaDialect(const Tokenizer& tokenizer, LlamaDetails details);

}  // namespace batucada
