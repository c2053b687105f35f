// The "added_tokens" of tokenizer.json: tokens recognised in the text before BPE sees it.
//
// Those that are not "normalized" are looked for in the text as given, the others in normalized text, spelled
// normalized. Of the tokens that match at a place the longest wins, and the leftmost place comes first. Immutable and
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace batucada {

struct AddedToken {
  int32_t id = 0;
  std::string content;       // as matched: normalized if `normalized`
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the whitespace on its left with it
  bool rstrip = false;
  bool normalized = false;
  bool special = false;
};

enum class SpecialTokens { kRecognise, kPlainText };

class AddedTokenMatcher {
 public:
  // A stretch of text, which is `id` or, without one, ordinary.
  struct Segment {
    size_t begin = 0, end = 0;  // bytes
    std::optional<int32_t> id;
  };

  // REQUIRES: contents not empty.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // Cuts `text` into segments, in order, none of the ordinary ones empty. Time is linear in the text times the length
  // of the longest token at worst, and about one table look-up a byte in practice. REQUIRES: valid UTF-8.
  void Split(std::string_view text, SpecialTokens special, std::vector<Segment>* segments) const;

 private:
  // A trie over bytes; edges_ by (node, byte). Node 0 is the root.
  static uint64_t EdgeKey(uint32_t node, uint8_t byte) { return uint64_t{node} << 8 | byte; }

  // The longest token at text[at], or null.
  const AddedToken* MatchAt(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;
  absl::flat_hash_map<uint64_t, uint32_t> edges_;
  std::vector<int32_t> token_at_node_;  // index into tokens_, or -1
  bool starts_a_token_[256] = {};
};

}  // namespace batucada
