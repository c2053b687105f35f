// The tokens of a vocabulary as a trie over their bytes, for finding all that a grammar allows in one walk.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace batucada::grammar {

// Nodes in the order of a walk that goes down first; the root has none. Tokens have ranks in the order of their bytes,
// so that those of a subtree have ranks beside each other.
struct TokenTrie {
  // Of the text from the root to a node, as the beginning of a text.
  enum class Text : uint8_t {
    kWhole,   // characters
    kCut,     // characters and the beginning of one
    kTorn,    // a character begins, and is not gone on with
    kBroken,  // a byte that no character begins with
  };
  struct Node {
    uint32_t end = 0;   // the first node behind its subtree
    uint32_t rank = 0;  // of the first token that ends here or below; those that end here come first
    uint8_t byte = 0;
    uint8_t depth = 0;  // bytes from the root, at most kMost
    uint8_t chars = 0;  // characters begun on the way, at most kMost
    Text text = Text::kWhole;
  };
  static constexpr uint8_t kMost = 255;

  // Of bytes and ids, sorted.
  explicit TokenTrie(std::span<const std::pair<std::string_view, int32_t>> tokens);
  TokenTrie() = default;

  // The node's own tokens: ids[rank] up to here.
  uint32_t own_end(uint32_t node) const { return nodes[node + 1].rank; }
  // Behind the ranks of all tokens below it.
  uint32_t below_end(uint32_t node) const { return nodes[nodes[node].end].rank; }
  uint32_t size() const { return static_cast<uint32_t>(nodes.size()) - 1; }

  std::vector<Node> nodes{1};  // and one behind the last
  std::vector<int32_t> ids;    // by rank
  std::vector<uint8_t> chars;  // by rank: characters begun, at most kMost
};

// Whether a byte is the first of a character; not 10xxxxxx.
inline bool BeginsCharacter(uint8_t byte) { return (byte & 0xC0) != 0x80; }

}  // namespace batucada::grammar
