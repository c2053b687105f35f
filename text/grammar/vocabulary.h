// The tokens of a tokenizer as a grammar reads them: a trie over their bytes, and sets of them by what they are made
// of.
//
// Special tokens are spelled by kTokenByte, which no UTF-8 holds, and three bytes of their id, so that a grammar can
// ask for one and no text is mistaken for it. Tokens that end the text are in neither.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar/token_set.h"
#include "text/grammar/token_trie.h"
#include "text/tokenizer.h"

namespace batucada::grammar {

inline constexpr uint8_t kTokenByte = 0xFF;

// The bytes that stand for a special token.
std::string SpellToken(int32_t id);

// Immutable once made; thread-safe.
class Vocabulary {
 public:
  // `size`: ids that the model has; the tokenizer may know fewer. `end_tokens` end the text.
  Vocabulary(const Tokenizer& tokenizer, int32_t size, std::span<const int32_t> end_tokens);

  int32_t size() const { return size_; }
  size_t words() const { return (static_cast<size_t>(size_) + 31) / 32; }
  const TokenTrie& trie() const { return trie_; }
  // Of the tokens below a node, or all; `fresh`: see TokenSets.
  std::shared_ptr<const TokenSet> Set(const CharClass& chars, uint32_t node, bool* fresh) const;
  // Lets go of sets used last before `since`.
  void ForgetUnusedSets(std::chrono::steady_clock::time_point since) const { sets_.ForgetUnused(since); }
  // Characters that stand in strings of JSON as they are, the tokens of these alone, and all others.
  static const CharClass& string_chars();
  const TokenSet& in_strings() const { return *in_strings_; }
  const TokenTrie& leaving_strings() const { return leaving_strings_; }
  int32_t longest() const { return longest_; }  // bytes of the longest token
  // Takes from a mask, [words()], the tokens in which more than `most` characters begin.
  void RemoveLonger(int32_t most, std::span<uint32_t> mask) const;
  std::string_view bytes(int32_t id) const;
  bool ends_text(int32_t id) const;
  std::span<const int32_t> end_tokens() const { return end_tokens_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  const Tokenizer& tokenizer_;
  const int32_t size_;
  const std::vector<int32_t> end_tokens_;
  std::vector<std::string> special_;  // of special tokens, by id: their spelling; empty for others
  TokenTrie trie_;
  TokenSets sets_;
  std::shared_ptr<const TokenSet> in_strings_;  // nearly every grammar needs it
  TokenTrie leaving_strings_;
  int32_t longest_ = 1;
  static constexpr int32_t kMasks = 16;
  std::vector<std::vector<uint32_t>> short_;  // masks of what has at most so many characters, to kMasks
  std::vector<uint32_t> long_;                // ranks of what has more, the longest first
};

}  // namespace batucada::grammar
