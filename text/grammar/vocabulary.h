// The tokens of a tokenizer as two tries over their bytes, for finding all that a grammar allows in one walk.
//
// Plain tokens, whole characters that stand in a JSON string as they are, lie apart: most tokens of a vocabulary are
// such, and inside a string all of them are allowed at once, without a walk.
//
// Special tokens are spelled by kTokenByte, which no UTF-8 holds, and three bytes of their id, so that a grammar can
// ask for one and no text is mistaken for it. Tokens that end the text are in no trie.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace batucada::grammar {

inline constexpr uint8_t kTokenByte = 0xFF;

// The bytes that stand for a special token.
std::string SpellToken(int32_t id);

// Nodes in the order of a walk that goes down first; the root has none.
struct TokenTrie {
  struct Node {
    uint32_t end = 0;    // the first node behind its subtree
    int32_t token = -1;  // the token that ends here
    uint8_t byte = 0;
    bool more = false;  // more tokens end here: see `same`
  };
  std::vector<Node> nodes;
  std::vector<std::pair<int32_t, int32_t>> same;  // a token and another of the same bytes, sorted
};

// Immutable once made; thread-safe.
class Vocabulary {
 public:
  // `size`: ids that the model has; the tokenizer may know fewer. `end_tokens` end the text.
  Vocabulary(const Tokenizer& tokenizer, int32_t size, std::span<const int32_t> end_tokens);

  int32_t size() const { return size_; }
  size_t words() const { return (static_cast<size_t>(size_) + 31) / 32; }
  const TokenTrie& plain() const { return plain_; }
  const TokenTrie& rest() const { return rest_; }
  std::span<const uint32_t> plain_mask() const { return plain_mask_; }  // [words()]
  int32_t longest_plain() const { return longest_plain_; }              // bytes of the longest plain token
  int32_t longest() const { return longest_; }                          // bytes of the longest token
  std::string_view bytes(int32_t id) const;
  bool ends_text(int32_t id) const;
  std::span<const int32_t> end_tokens() const { return end_tokens_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  const Tokenizer& tokenizer_;
  const int32_t size_;
  const std::vector<int32_t> end_tokens_;
  std::vector<std::string> special_;  // of special tokens, by id: their spelling; empty for others
  TokenTrie plain_, rest_;
  std::vector<uint32_t> plain_mask_;
  int32_t longest_plain_ = 1, longest_ = 1;
};

// Whether a character stands for itself in a JSON string.
inline bool IsPlain(char32_t c) { return c >= 0x20 && c != '"' && c != '\\'; }

}  // namespace batucada::grammar
