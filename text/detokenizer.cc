#include "text/detokenizer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "text/tokenizer.h"

namespace batucada {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special)
    : Detokenizer(tokenizer.table(), skip_special) {}

Detokenizer::Detokenizer(const TokenTable& table, bool skip_special)
    : table_(&table), skip_special_(skip_special), strip_start_left_(table.rules().strip_start),
      assembler_(table.rules().bad_bytes) {}

bool Detokenizer::Contributes(int32_t id) const {
  if (table_->kind(id) == TokenKind::kUndefined) return false;
  return !skip_special_ || !table_->is_special(id) || std::find(shown_.begin(), shown_.end(), id) != shown_.end();
}

void Detokenizer::Follow(std::span<const int32_t> context) {
  size_t next = 0;
  while (next < context.size() && (at_start_ || strip_start_left_ > 0)) Push(context[next++]);
  // From here on everything that a stream remembers is at the end of its bytes: of a character at most the last three,
  // which begin afresh at every lead byte, and strip_stop characters of at most four. The tail may begin inside a
  // character; three bytes later that is forgotten.
  const size_t enough = 3 + 3 + 4 * static_cast<size_t>(table_->rules().strip_stop);
  size_t tail = context.size();
  for (size_t bytes = 0; tail > next && bytes < enough;) {
    const int32_t id = context[--tail];
    if (Contributes(id)) bytes += table_->bytes(id).size();
  }
  if (tail > next) {
    assembler_ = Utf8Assembler(table_->rules().bad_bytes);
    maybe_stripped_.clear();
  }
  for (; tail < context.size(); ++tail) Push(context[tail]);
}

std::string Detokenizer::Push(int32_t id, int64_t* lead) {
  if (lead != nullptr) *lead = static_cast<int64_t>(CountCharacters(maybe_stripped_));
  if (!Contributes(id)) return {};

  const TokenKind kind = table_->kind(id);
  std::string text;
  // A run of bytes ends here, before the question whether any text has appeared yet.
  if (kind == TokenKind::kText) assembler_.Flush(&text);
  if (!text.empty()) at_start_ = false;

  const std::string_view bytes = at_start_ ? table_->start_bytes(id) : table_->bytes(id);
  if (!bytes.empty() && !assembler_.GoesOnWith(bytes.front())) assembler_.Flush(&text);
  if (lead != nullptr) *lead += static_cast<int64_t>(CountCharacters(text));
  if (kind == TokenKind::kText) {
    text += bytes;
  } else {
    assembler_.Append(bytes, &text);
  }
  if (table_->rules().text_start == TextStart::kFirstToken || !text.empty()) at_start_ = false;
  return StripEnds(std::move(text));
}

std::string Detokenizer::Flush() {
  std::string text;
  assembler_.Flush(&text);
  text = StripEnds(std::move(text));
  maybe_stripped_.clear();  // the text did end here
  at_start_ = true;
  strip_start_left_ = table_->rules().strip_start;
  return text;
}

std::string Detokenizer::StripEnds(std::string text) {
  const StreamRules& rules = table_->rules();
  if (text.empty() || (strip_start_left_ == 0 && rules.strip_stop == 0)) return text;

  size_t begin = 0;
  while (strip_start_left_ > 0 && begin < text.size()) {
    size_t next = begin;
    if (NextCodepoint(text, &next) != rules.strip_char) {
      strip_start_left_ = 0;
    } else {
      begin = next;
      --strip_start_left_;
    }
  }
  text.erase(0, begin);
  if (rules.strip_stop == 0) return text;

  text.insert(0, maybe_stripped_);
  size_t end = text.size();
  for (int i = 0; i < rules.strip_stop && end > 0; ++i) {
    size_t begin_of_last = end - 1;
    while ((static_cast<uint8_t>(text[begin_of_last]) & 0xC0) == 0x80) --begin_of_last;
    size_t next = begin_of_last;
    if (NextCodepoint(text, &next) != rules.strip_char) break;
    end = begin_of_last;
  }
  maybe_stripped_ = text.substr(end);
  text.resize(end);
  return text;
}

}  // namespace batucada
