// How Text Generation Inference tells a text: one object, or an event for each token.
#pragma once

#include <cstdint>
#include <memory>

#include "server/compat/dialect.h"
#include "text/tokenizer.h"

namespace batucada {

enum class TgiForm : uint8_t { kObject, kList };  // POST / answers with a list of one

// What is told beside the text.
struct TgiDetails {
  bool tokens = false;     // each of them, and why the text ended
  bool prompt = false;     // with the tokens, the prompt's and their scores
  bool full_text = false;  // the text begins with the prompt
  int64_t top_n = 0;       // of the most likely tokens, beside each
  bool several = false;    // the best of several texts is told, and the others in its details
};

// `tokenizer` outlives it.
std::unique_ptr<Dialect> MakeTgiDialect(const Tokenizer& tokenizer, TgiForm form, const TgiDetails& details);

}  // namespace batucada
