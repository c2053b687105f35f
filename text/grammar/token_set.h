// Which tokens are made of certain characters alone, and where the others leave them.
//
// Where a grammar repeats a character (inside strings, numbers, patterns) the tokens that it allows are all that are
// made of such characters, and those few that begin so and go on with what may follow. The first are one mask for every
// grammar; only the others must be walked to.
#pragma once

#include <bitset>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "text/grammar/token_trie.h"

namespace batucada::grammar {

struct CharClass {
  std::bitset<128> ascii;
  bool others = false;  // all other characters, or none of them
  bool Has(uint8_t byte) const { return byte < 128 ? ascii[byte] : others && byte >= 0xC2 && byte <= 0xF4; }
  friend bool operator==(const CharClass&, const CharClass&) = default;
};

// Of the tokens below a node of the trie, by what stands behind it. Immutable; thread-safe.
class TokenSet {
 public:
  static constexpr uint32_t kRoot = UINT32_MAX;
  static constexpr uint32_t kMostRests = 8192;

  // `words`: of a mask.
  TokenSet(const CharClass& chars, const TokenTrie& trie, uint32_t node, size_t words,
           uint32_t most_rests = kMostRests);

  // Tokens whose characters are all of the class; one that ends within another character than ASCII's counts too.
  struct Token {
    int32_t id = 0;
    uint8_t chars = 0;  // begun
  };
  const std::vector<Token>& tokens() const { return tokens_; }
  std::span<const uint32_t> mask() const { return mask_; }  // the same as bits; empty if they are few

  // Where the others leave the class, in the order of nodes.
  struct Exit {
    uint32_t node = 0;  // the first behind the class's characters
    uint8_t chars = 0;  // of the class
  };
  const std::vector<Exit>& starts() const { return starts_; }  // behind none of its characters
  const std::vector<Exit>& exits() const { return exits_; }    // behind some
  // What stands behind those characters, as many as they are, in all tokens below exits(); empty if those are more than
  // was said: they take a millisecond for some thousands.
  const TokenTrie& rests() const { return rests_; }

  size_t bytes() const {
    return tokens_.size() * sizeof(Token) + mask_.size() * sizeof(uint32_t) +
           (starts_.size() + exits_.size()) * sizeof(Exit) + rests_.nodes.size() * sizeof(TokenTrie::Node) +
           rests_.ids.size() * (sizeof(int32_t) + 1) + rests_.child_bytes();
  }

 private:
  void AddRests(const TokenTrie& trie, uint32_t most);

  std::vector<Token> tokens_;
  std::vector<uint32_t> mask_;
  std::vector<Exit> starts_, exits_;
  TokenTrie rests_;
};

// Those used lately, within kMostBytes. Thread-safe.
class TokenSets {
 public:
  static constexpr size_t kMostBytes = size_t{32} << 20;
  static constexpr size_t kMostKept = 256;

  // `fresh` becomes whether it was not known: then it took a walk through all that is below the node.
  std::shared_ptr<const TokenSet> Find(const CharClass& chars, const TokenTrie& trie, uint32_t node, size_t words,
                                       bool* fresh) const;
  // Lets go of those used last before `since`.
  void ForgetUnused(std::chrono::steady_clock::time_point since) const;

 private:
  struct Kept {
    CharClass chars;
    uint32_t node = 0;
    std::shared_ptr<const TokenSet> set;
    std::chrono::steady_clock::time_point used;
  };
  mutable std::mutex mutex_;      // guards what follows
  mutable std::list<Kept> kept_;  // used last first
  mutable size_t kept_bytes_ = 0;
};

}  // namespace batucada::grammar
