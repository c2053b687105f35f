// The "added_tokens" of tokenizer.json: tokens recognised in the text before BPE sees it.
//
// Those that are not "normalized" are looked for in the text as given, the others in normalized text, spelled
// normalized. Of the tokens that match at a place the longest wins, and the leftmost place comes first. Found by an
// automaton (Aho and Corasick 1975) of the tokens spelled backwards, which reads the text from its end: where it is in
// a text, it knows the longest token that begins there. Immutable and thread-safe.
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

  // Working memory: where a token begins.
  struct Hit {
    size_t begin = 0;    // bytes
    int32_t token = -1;  // index into tokens_
  };

  // REQUIRES: contents not empty.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // Cuts `text` into segments, in order, none of the ordinary ones empty. Time is linear in the text: about one table
  // look-up for each byte that ends a token, and at most two. REQUIRES: valid UTF-8.
  void Split(std::string_view text, SpecialTokens special, std::vector<Hit>* hits,
             std::vector<Segment>* segments) const;

 private:
  // A trie over bytes; edges_ by (node, byte). Node 0 is the root.
  struct Node {
    uint32_t fallback = 0;  // the node of the longest proper ending of this one's string that is in the trie
    int32_t longest = -1;   // index into tokens_ of the longest token that this one's string ends with
  };
  static uint64_t EdgeKey(uint32_t node, uint8_t byte) { return uint64_t{node} << 8 | byte; }

  uint32_t Next(uint32_t node, uint8_t byte) const;
  // Where tokens begin, from right to left, and the longest of each place.
  void FindHits(std::string_view text, std::vector<Hit>* hits) const;

  std::vector<AddedToken> tokens_;
  absl::flat_hash_map<uint64_t, uint32_t> edges_;
  std::vector<Node> nodes_;
  bool ends_a_token_[256] = {};
  std::optional<char> only_end_;  // with which each token ends
};

}  // namespace batucada
