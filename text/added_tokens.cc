#include "text/added_tokens.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace batucada {
namespace {

// Where the whitespace that ends at `end` begins, not before `floor`.
size_t SkipSpaceBackward(std::string_view text, size_t floor, size_t end) {
  while (end > floor) {
    size_t begin = end - 1;
    while (begin > floor && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
    size_t next = begin;
    if (!IsWhitespace(NextCodepoint(text, &next))) break;
    end = begin;
  }
  return end;
}

size_t SkipSpaceForward(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    size_t next = begin;
    if (!IsWhitespace(NextCodepoint(text, &next))) break;
    begin = next;
  }
  return begin;
}

bool TouchesWord(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && IsWordCharacter(LastCodepoint(text.substr(0, begin)))) return true;
  return end < text.size() && IsWordCharacter(NextCodepoint(text, &end));
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), nodes_(1) {
  struct Edge {
    uint32_t from, to;
    uint8_t byte;
  };
  std::vector<std::vector<Edge>> by_depth;
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    BATUCADA_CHECK(!content.empty(), "an added token must not be empty");
    uint32_t node = 0;
    for (size_t depth = 0; depth < content.size(); ++depth) {
      const auto byte = static_cast<uint8_t>(content[content.size() - 1 - depth]);
      const auto [edge, is_new] = edges_.try_emplace(EdgeKey(node, byte), static_cast<uint32_t>(nodes_.size()));
      if (is_new) {
        nodes_.emplace_back();
        if (by_depth.size() == depth) by_depth.emplace_back();
        by_depth[depth].push_back({.from = node, .to = edge->second, .byte = byte});
      }
      node = edge->second;
    }
    nodes_[node].longest = static_cast<int32_t>(i);
    ends_a_token_[static_cast<uint8_t>(content.back())] = true;
  }
  if (std::count(std::begin(ends_a_token_), std::end(ends_a_token_), true) == 1) only_end_ = tokens_[0].content.back();
  // What a node falls back to is less deep, so it is ready.
  for (const std::vector<Edge>& edges : by_depth) {
    for (const Edge& edge : edges) {
      Node& node = nodes_[edge.to];
      if (edge.from != 0) node.fallback = Next(nodes_[edge.from].fallback, edge.byte);
      if (node.longest < 0) node.longest = nodes_[node.fallback].longest;
    }
  }
}

uint32_t AddedTokenMatcher::Next(uint32_t node, uint8_t byte) const {
  while (true) {
    if (const auto edge = edges_.find(EdgeKey(node, byte)); edge != edges_.end()) return edge->second;
    if (node == 0) return 0;
    node = nodes_[node].fallback;
  }
}

void AddedTokenMatcher::FindHits(std::string_view text, std::vector<Hit>* hits) const {
  hits->clear();
  if (tokens_.empty()) return;
  uint32_t node = 0;
  for (size_t i = text.size(); i > 0; --i) {
    const auto byte = static_cast<uint8_t>(text[i - 1]);
    if (node == 0 && !ends_a_token_[byte]) {
      if (only_end_) {  // all tokens of most models end alike
        const void* const next = memrchr(text.data(), *only_end_, i - 1);
        if (next == nullptr) return;
        i = static_cast<size_t>(static_cast<const char*>(next) - text.data()) + 2;  // the next to be looked at
      }
      continue;
    }
    node = Next(node, byte);
    if (nodes_[node].longest >= 0) hits->push_back({.begin = i - 1, .token = nodes_[node].longest});
  }
}

void AddedTokenMatcher::Split(std::string_view text, SpecialTokens special, std::vector<Hit>* hits,
                              std::vector<Segment>* segments) const {
  segments->clear();
  FindHits(text, hits);
  size_t ordinary = 0;   // where the ordinary text not yet in a segment begins
  size_t at = 0;         // where the next match may begin
  size_t space_end = 0;  // where the whitespace ends that a token took with it
  for (auto hit = hits->rbegin(); hit != hits->rend(); ++hit) {
    if (hit->begin < at) continue;
    at = hit->begin;
    const AddedToken* token = &tokens_[static_cast<size_t>(hit->token)];
    size_t begin = at;
    size_t end = at + token->content.size();
    at = end;  // also where the match is refused: what it covers is not looked at again
    if (token->special && special == SpecialTokens::kPlainText) continue;
    if (token->single_word && TouchesWord(text, begin, end)) continue;
    if (token->lstrip) begin = SkipSpaceBackward(text, ordinary, std::max(begin, ordinary));
    if (token->rstrip) end = space_end = SkipSpaceForward(text, std::max(end, space_end));
    if (begin >= end) continue;  // whitespace that the token before it took
    if (ordinary < begin) segments->push_back({.begin = ordinary, .end = begin, .id = std::nullopt});
    segments->push_back({.begin = begin, .end = end, .id = token->id});
    // As the reference: whitespace that a token took is another token all the same, and what is behind that one is
    // ordinary again.
    ordinary = end;
  }
  if (ordinary < text.size()) segments->push_back({.begin = ordinary, .end = text.size(), .id = std::nullopt});
}

}  // namespace batucada
