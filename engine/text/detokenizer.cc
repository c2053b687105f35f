#include "engine/text/detokenizer.h"

#include <string_view>
#include <utility>

#include "engine/text/tokenizer.h"

namespace batucada {

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special)
    : Detokenizer(tokenizer.table(), skip_special) {}

Detokenizer::Detokenizer(const TokenTable& table, bool skip_special)
    : table_(&table), skip_special_(skip_special), strip_start_left_(table.rules().strip_start),
      assembler_(table.rules().bad_bytes) {}

std::string Detokenizer::Push(int32_t id) {
  const TokenKind kind = table_->kind(id);
  if (kind == TokenKind::kUndefined || (skip_special_ && table_->is_special(id))) return {};

  std::string text;
  // A run of bytes ends here, before the question whether any text has appeared yet.
  if (kind == TokenKind::kText) assembler_.Flush(&text);
  if (!text.empty()) at_start_ = false;

  const std::string_view bytes = at_start_ ? table_->start_bytes(id) : table_->bytes(id);
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
