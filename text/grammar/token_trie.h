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

  // A node's children, or the root's: those that stand beside each other here, by byte, so that a walk need not look at
  // the nodes of the others.
  struct Children {
    const uint8_t* bytes = nullptr;
    const uint32_t* nodes = nullptr;
    uint32_t size = 0;
  };
  Children children(uint32_t node) const {
    const uint32_t begin = first_child_[node], end = first_child_[node + 1];
    return {child_bytes_.data() + begin, child_nodes_.data() + begin, end - begin};
  }
  Children roots() const {
    return {child_bytes_.data(), child_nodes_.data(), first_child_.empty() ? 0 : first_child_[0]};
  }
  size_t child_bytes() const { return first_child_.size() * 4 + child_nodes_.size() * 5; }

  // The node's own tokens: ids[rank] up to here.
  uint32_t own_end(uint32_t node) const { return nodes[node + 1].rank; }
  // Behind the ranks of all tokens below it.
  uint32_t below_end(uint32_t node) const { return nodes[nodes[node].end].rank; }
  uint32_t size() const { return static_cast<uint32_t>(nodes.size()) - 1; }

  std::vector<Node> nodes{1};  // and one behind the last
  std::vector<int32_t> ids;    // by rank
  std::vector<uint8_t> chars;  // by rank: characters begun, at most kMost

 private:
  void IndexChildren();

  std::vector<uint32_t> first_child_;  // by node, into the two below, where the root's come first
  std::vector<uint8_t> child_bytes_;
  std::vector<uint32_t> child_nodes_;
};

// Whether a byte is the first of a character; not 10xxxxxx.
inline bool BeginsCharacter(uint8_t byte) { return (byte & 0xC0) != 0x80; }

}  // namespace batucada::grammar
