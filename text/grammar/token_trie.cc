#include "text/grammar/token_trie.h"

#include <algorithm>

namespace batucada::grammar {
namespace {

// What a text's bytes leave open, byte by byte: UTF-8 as of RFC 3629, section 4.
struct Utf8State {
  int missing = 0;                  // bytes of the character that has begun
  uint8_t low = 0x80, high = 0xBF;  // the next of them
  bool torn = false, broken = false;

  void Read(uint8_t byte) {
    if (torn || broken) return;
    if (missing > 0) {
      torn = byte < low || byte > high;
      --missing;
    } else if (byte >= 0x80) {
      missing = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
      broken = byte < 0xC2 || byte > 0xF4;
    }
    low = byte == 0xE0 && missing == 2 ? 0xA0 : byte == 0xF0 && missing == 3 ? 0x90 : 0x80;
    high = byte == 0xED && missing == 2 ? 0x9F : byte == 0xF4 && missing == 3 ? 0x8F : 0xBF;
  }
  TokenTrie::Text text() const {
    if (torn) return TokenTrie::Text::kTorn;
    if (broken) return TokenTrie::Text::kBroken;
    return missing > 0 ? TokenTrie::Text::kCut : TokenTrie::Text::kWhole;
  }
};

}  // namespace

TokenTrie::TokenTrie(std::span<const std::pair<std::string_view, int32_t>> tokens) {
  nodes.clear();
  std::vector<uint32_t> path;     // the nodes of the last token's bytes
  std::vector<Utf8State> states;  // of each
  std::string_view last;
  for (const auto& [bytes, id] : tokens) {
    size_t common = 0;
    while (common < last.size() && common < bytes.size() && last[common] == bytes[common]) ++common;
    const auto here = static_cast<uint32_t>(nodes.size());
    for (size_t i = common; i < path.size(); ++i) nodes[path[i]].end = here;
    path.resize(common);
    states.resize(common);
    for (size_t i = common; i < bytes.size(); ++i) {
      const auto byte = static_cast<uint8_t>(bytes[i]);
      states.push_back(states.empty() ? Utf8State{} : states.back());
      states.back().Read(byte);
      const int before = i == 0 ? 0 : nodes[path.back()].chars;
      path.push_back(static_cast<uint32_t>(nodes.size()));
      nodes.push_back({.rank = static_cast<uint32_t>(ids.size()),
                       .byte = byte,
                       .depth = static_cast<uint8_t>(std::min<size_t>(i + 1, kMost)),
                       .chars = static_cast<uint8_t>(std::min<int>(before + (BeginsCharacter(byte) ? 1 : 0), kMost)),
                       .text = states.back().text()});
    }
    ids.push_back(id);
    chars.push_back(nodes[path.back()].chars);
    last = bytes;
  }
  for (const uint32_t node : path) nodes[node].end = static_cast<uint32_t>(nodes.size());
  nodes.push_back({.end = static_cast<uint32_t>(nodes.size()), .rank = static_cast<uint32_t>(ids.size())});
  IndexChildren();
}

void TokenTrie::IndexChildren() {
  first_child_.reserve(nodes.size());
  child_bytes_.reserve(size());
  child_nodes_.reserve(size());
  const auto list = [&](uint32_t begin, uint32_t end) {
    for (uint32_t child = begin; child < end; child = nodes[child].end) {
      child_bytes_.push_back(nodes[child].byte);
      child_nodes_.push_back(child);
    }
  };
  list(0, size());
  for (uint32_t node = 0; node < size(); ++node) {
    first_child_.push_back(static_cast<uint32_t>(child_nodes_.size()));
    list(node + 1, nodes[node].end);
  }
  first_child_.push_back(static_cast<uint32_t>(child_nodes_.size()));
}

}  // namespace batucada::grammar
