// A tokenizer that needs no file: ids below 256 are bytes, every other id is a word that spells its number. It gives
// models with made-up weights a text to take and to give.
#pragma once

#include <cstdint>
#include <memory>

#include "text/tokenizer.h"

namespace batucada {

// Encodes any UTF-8 text as its bytes; adds no start token and knows no special ones. REQUIRES: vocab_size > 256.
std::unique_ptr<Tokenizer> MakeByteTokenizer(int32_t vocab_size);

}  // namespace batucada
