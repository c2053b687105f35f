#include "text/grammar/vocabulary.h"

#include <algorithm>
#include <utility>

namespace batucada::grammar {
const CharClass& Vocabulary::string_chars() {
  static const CharClass chars = [] {
    CharClass made{.others = true};
    for (size_t c = 0x20; c < made.ascii.size(); ++c) made.ascii[c] = c != '"' && c != '\\';
    return made;
  }();
  return chars;
}

std::string SpellToken(int32_t id) {
  return {static_cast<char>(kTokenByte), static_cast<char>(id >> 16), static_cast<char>(id >> 8),
          static_cast<char>(id)};
}

Vocabulary::Vocabulary(const Tokenizer& tokenizer, int32_t size, std::span<const int32_t> end_tokens)
    : tokenizer_(tokenizer), size_(size), end_tokens_(end_tokens.begin(), end_tokens.end()),
      special_(static_cast<size_t>(size)) {
  std::vector<std::pair<std::string_view, int32_t>> tokens;
  for (int32_t id = 0; id < std::min(size, tokenizer.vocab_size()); ++id) {
    if (ends_text(id) || tokenizer.table().kind(id) == TokenKind::kUndefined) continue;
    if (tokenizer.IsSpecial(id)) {
      special_[static_cast<size_t>(id)] = SpellToken(id);
      tokens.emplace_back(special_[static_cast<size_t>(id)], id);
      continue;
    }
    const std::string_view text = tokenizer.TokenBytes(id);
    // No text holds the byte that stands for special tokens; a token of it alone would begin to spell one.
    if (text.empty() || text.find(static_cast<char>(kTokenByte)) != text.npos) continue;
    const auto length = static_cast<int32_t>(text.size());
    longest_ = std::max(longest_, length);
    tokens.emplace_back(text, id);
  }
  std::sort(tokens.begin(), tokens.end());
  trie_ = TokenTrie(tokens);
  in_strings_ = std::make_shared<const TokenSet>(string_chars(), trie_, TokenSet::kRoot, words(), UINT32_MAX);
  std::vector<bool> inside(static_cast<size_t>(size));
  for (const TokenSet::Token& token : in_strings_->tokens()) inside[static_cast<size_t>(token.id)] = true;
  std::erase_if(tokens, [&](const auto& token) { return inside[static_cast<size_t>(token.second)]; });
  leaving_strings_ = TokenTrie(tokens);
  short_.assign(kMasks + 1, std::vector<uint32_t>(words()));
  for (uint32_t rank = 0; rank < trie_.ids.size(); ++rank) {
    const auto id = static_cast<size_t>(trie_.ids[rank]);
    for (size_t most = trie_.chars[rank]; most < short_.size(); ++most) short_[most][id / 32] |= 1U << (id % 32);
    if (trie_.chars[rank] > kMasks) long_.push_back(rank);
  }
  std::sort(long_.begin(), long_.end(), [this](uint32_t a, uint32_t b) { return trie_.chars[a] > trie_.chars[b]; });
}

std::shared_ptr<const TokenSet> Vocabulary::Set(const CharClass& chars, uint32_t node, bool* fresh) const {
  *fresh = false;
  if (node == TokenSet::kRoot && chars == string_chars()) return in_strings_;
  return sets_.Find(chars, trie_, node, words(), fresh);
}

void Vocabulary::RemoveLonger(int32_t most, std::span<uint32_t> mask) const {
  if (most <= kMasks) {
    const std::vector<uint32_t>& shorter = short_[static_cast<size_t>(most)];
    for (size_t i = 0; i < shorter.size(); ++i) mask[i] &= shorter[i];
    return;
  }
  for (const uint32_t rank : long_) {
    if (trie_.chars[rank] <= most) return;
    const auto id = static_cast<size_t>(trie_.ids[rank]);
    mask[id / 32] &= ~(1U << (id % 32));
  }
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
