#include "text/grammar/vocabulary.h"

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace batucada::grammar {
namespace {

using Spelled = std::pair<std::string_view, int32_t>;

// Of tokens in the order of their bytes.
TokenTrie MakeTrie(const std::vector<Spelled>& tokens) {
  TokenTrie trie;
  std::vector<uint32_t> path;  // the nodes of the last token's bytes
  std::string_view last;
  for (const auto& [bytes, id] : tokens) {
    size_t common = 0;
    while (common < last.size() && common < bytes.size() && last[common] == bytes[common]) ++common;
    const auto here = static_cast<uint32_t>(trie.nodes.size());
    for (size_t i = common; i < path.size(); ++i) trie.nodes[path[i]].end = here;
    path.resize(common);
    for (size_t i = common; i < bytes.size(); ++i) {
      path.push_back(static_cast<uint32_t>(trie.nodes.size()));
      trie.nodes.push_back({.byte = static_cast<uint8_t>(bytes[i])});
    }
    TokenTrie::Node& node = trie.nodes[path.back()];
    if (node.token < 0) {
      node.token = id;
    } else {
      node.more = true;
      trie.same.emplace_back(node.token, id);
    }
    last = bytes;
  }
  for (const uint32_t node : path) trie.nodes[node].end = static_cast<uint32_t>(trie.nodes.size());
  std::sort(trie.same.begin(), trie.same.end());
  return trie;
}

bool IsPlainText(std::string_view bytes) {
  if (FindInvalidUtf8(bytes).has_value()) return false;
  for (size_t at = 0; at < bytes.size();) {
    if (!IsPlain(NextCodepoint(bytes, &at))) return false;
  }
  return true;
}

}  // namespace

std::string SpellToken(int32_t id) {
  return {static_cast<char>(kTokenByte), static_cast<char>(id >> 16), static_cast<char>(id >> 8),
          static_cast<char>(id)};
}

Vocabulary::Vocabulary(const Tokenizer& tokenizer, int32_t size, std::span<const int32_t> end_tokens)
    : tokenizer_(tokenizer), size_(size), end_tokens_(end_tokens.begin(), end_tokens.end()),
      special_(static_cast<size_t>(size)), plain_mask_(words()) {
  std::vector<Spelled> plain, rest;
  for (int32_t id = 0; id < std::min(size, tokenizer.vocab_size()); ++id) {
    if (ends_text(id) || tokenizer.table().kind(id) == TokenKind::kUndefined) continue;
    if (tokenizer.IsSpecial(id)) {
      special_[static_cast<size_t>(id)] = SpellToken(id);
      rest.emplace_back(special_[static_cast<size_t>(id)], id);
      continue;
    }
    const std::string_view text = tokenizer.TokenBytes(id);
    // No text holds the byte that stands for special tokens; a token of it alone would begin to spell one.
    if (text.empty() || text.find(static_cast<char>(kTokenByte)) != text.npos) continue;
    const auto length = static_cast<int32_t>(text.size());
    longest_ = std::max(longest_, length);
    if (IsPlainText(text)) {
      plain.emplace_back(text, id);
      plain_mask_[static_cast<size_t>(id) / 32] |= 1U << (id % 32);
      longest_plain_ = std::max(longest_plain_, length);
    } else {
      rest.emplace_back(text, id);
    }
  }
  std::sort(plain.begin(), plain.end());
  std::sort(rest.begin(), rest.end());
  plain_ = MakeTrie(plain);
  rest_ = MakeTrie(rest);
}

std::string_view Vocabulary::bytes(int32_t id) const {
  if (id < 0 || id >= size_) return {};
  const std::string& special = special_[static_cast<size_t>(id)];
  return special.empty() ? tokenizer_.TokenBytes(id) : special;
}

bool Vocabulary::ends_text(int32_t id) const {
  return std::find(end_tokens_.begin(), end_tokens_.end(), id) != end_tokens_.end();
}

}  // namespace batucada::grammar
