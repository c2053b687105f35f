// Token ids to text, as they arrive: one Detokenizer per stream.
//
// A stream is a text of its own, or goes on from one: a completion from its prompt. Then the rules of a text's start
// (the space that SentencePiece-like decoders drop) belong to the text it goes on from, and so do the first bytes of a
// character that the border cuts: what the two release, one behind the other, is the text of all their ids.
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
#include <span>
#include <string>
#include <vector>

#include "text/token_table.h"
#include "text/utf8.h"

namespace batucada {

class Tokenizer;

// Not thread-safe. Copying one forks the stream.
class Detokenizer {
 public:
  // REQUIRES: `tokenizer` outlives this. `skip_special`: special tokens add nothing to the text.
  Detokenizer(const Tokenizer& tokenizer, bool skip_special);
  Detokenizer(const TokenTable& table, bool skip_special);

  // Special tokens that add to the text all the same; a few. First of all.
  void Show(std::span<const int32_t> ids) { shown_.assign(ids.begin(), ids.end()); }

  // Goes on from a text of these ids, as if each had been pushed. Looks at the ends of `context` only, so it costs next
  // to nothing however long that is. REQUIRES: nothing pushed yet.
  void Follow(std::span<const int32_t> context);

  // The text that `id` completes, often its own, sometimes empty. Ids outside the vocabulary add nothing. Where the
  // token's own text begins is *lead characters behind all that was returned before.
  std::string Push(int32_t id, int64_t* lead = nullptr);

  // Characters kept back because the decoder would strip them if the text ended here.
  const std::string& held() const { return maybe_stripped_; }

  // The stream ends: what was kept back, characters cut short as U+FFFD. The next Push starts a new text.
  std::string Flush();

 private:
  bool Contributes(int32_t id) const;
  // Applies StreamRules::strip_* to the text on its way out.
  std::string StripEnds(std::string text);

  const TokenTable* table_;
  bool skip_special_;
  std::vector<int32_t> shown_;
  bool at_start_ = true;
  int strip_start_left_;
  Utf8Assembler assembler_;
  std::string maybe_stripped_;  // up to strip_stop trailing strip_char
};

}  // namespace batucada
