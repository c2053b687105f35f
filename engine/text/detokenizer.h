// Token ids to text, as they arrive: one Detokenizer per stream.
//
// The concatenation of everything Push and Flush return equals Tokenizer::Decode of all ids pushed, each part is valid
// UTF-8 by itself, and only what must wait is kept back: at most three bytes that can still become a character, and
// trailing characters that the tokenizer's decoder would strip if the text ended here. Bytes that can no longer become
// a character turn into U+FFFD at once. Each Push costs time in proportion to its own text.
//
// Where a run of byte_fallback tokens holds both whole characters and broken ones, the whole ones are kept, as
// SentencePiece does and a stream must; Hugging Face replaces every byte of such a run.
#pragma once

#include <cstdint>
#include <string>

#include "engine/text/token_table.h"
#include "engine/text/utf8.h"

namespace batucada {

class Tokenizer;

// Not thread-safe. Copying one forks the stream.
class Detokenizer {
 public:
  // REQUIRES: `tokenizer` outlives this. `skip_special`: special tokens add nothing to the text.
  Detokenizer(const Tokenizer& tokenizer, bool skip_special);
  Detokenizer(const TokenTable& table, bool skip_special);

  // The text that `id` completes, often its own, sometimes empty. Ids outside the vocabulary add nothing.
  std::string Push(int32_t id);

  // The stream ends: what was kept back, characters cut short as U+FFFD. The next Push starts a new text.
  std::string Flush();

 private:
  // Applies StreamRules::strip_* to the text on its way out.
  std::string StripEnds(std::string text);

  const TokenTable* table_;
  bool skip_special_;
  bool at_start_ = true;
  int strip_start_left_;
  Utf8Assembler assembler_;
  std::string maybe_stripped_;  // up to strip_stop trailing strip_char
};

}  // namespace batucada
