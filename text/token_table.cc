#include "text/token_table.h"

#include <utility>

namespace batucada {

TokenTable::TokenTable(std::vector<Entry> entries, const StreamRules& rules) : rules_(rules), tokens_(entries.size()) {
  size_t total = 0;
  for (const Entry& entry : entries) total += entry.content.size() + entry.bytes.size();
  text_.reserve(total);
  ids_.reserve(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    Entry& entry = entries[i];
    if (entry.kind == TokenKind::kUndefined) continue;
    const auto content_begin = static_cast<uint32_t>(text_.size());
    text_ += entry.content;
    auto bytes_begin = content_begin;
    if (entry.bytes != entry.content) {
      bytes_begin = static_cast<uint32_t>(text_.size());
      text_ += entry.bytes;
    }
    tokens_[i] = {.content_begin = content_begin,
                  .content_size = static_cast<uint32_t>(entry.content.size()),
                  .bytes_begin = bytes_begin,
                  .bytes_size = static_cast<uint32_t>(entry.bytes.size()),
                  .kind = entry.kind,
                  .special = entry.special};
    const auto id = static_cast<int32_t>(i);
    if (entry.start_bytes != entry.bytes) start_bytes_.emplace(id, std::move(entry.start_bytes));
    ids_.emplace(std::move(entry.content), id);
  }
}

std::string_view TokenTable::content(int32_t id) const {
  if (!Contains(id)) return {};
  const Token& token = tokens_[static_cast<size_t>(id)];
  return std::string_view{text_}.substr(token.content_begin, token.content_size);
}

std::string_view TokenTable::bytes(int32_t id) const {
  if (!Contains(id)) return {};
  const Token& token = tokens_[static_cast<size_t>(id)];
  return std::string_view{text_}.substr(token.bytes_begin, token.bytes_size);
}

std::string_view TokenTable::start_bytes(int32_t id) const {
  const auto it = start_bytes_.find(id);
  return it == start_bytes_.end() ? bytes(id) : std::string_view{it->second};
}

std::optional<int32_t> TokenTable::Find(std::string_view content) const {
  const auto it = ids_.find(content);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

}  // namespace batucada
