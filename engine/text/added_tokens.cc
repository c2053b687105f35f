#include "engine/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "engine/core/status.h"
#include "engine/text/unicode.h"
#include "engine/text/utf8.h"

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

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), token_at_node_(1, -1) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    uint32_t node = 0;
    for (const char c : tokens_[i].content) {
      const auto [edge, is_new] =
          edges_.try_emplace(EdgeKey(node, static_cast<uint8_t>(c)), static_cast<uint32_t>(token_at_node_.size()));
      if (is_new) token_at_node_.push_back(-1);
      node = edge->second;
    }
    BATUCADA_CHECK(node != 0, "an added token must not be empty");
    token_at_node_[node] = static_cast<int32_t>(i);
    starts_a_token_[static_cast<uint8_t>(tokens_[i].content[0])] = true;
  }
}

const AddedToken* AddedTokenMatcher::MatchAt(std::string_view text, size_t at) const {
  const AddedToken* longest = nullptr;
  uint32_t node = 0;
  for (; at < text.size(); ++at) {
    const auto edge = edges_.find(EdgeKey(node, static_cast<uint8_t>(text[at])));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (token_at_node_[node] >= 0) longest = &tokens_[static_cast<size_t>(token_at_node_[node])];
  }
  return longest;
}

void AddedTokenMatcher::Split(std::string_view text, SpecialTokens special, std::vector<Segment>* segments) const {
  segments->clear();
  size_t ordinary = 0;  // where the ordinary text not yet in a segment begins
  size_t at = 0;
  while (at < text.size() && !tokens_.empty()) {
    if (!starts_a_token_[static_cast<uint8_t>(text[at])]) {
      ++at;
      continue;
    }
    const AddedToken* token = MatchAt(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + token->content.size();
    at = end;  // also where the match is refused: what it covers is not looked at again
    if (token->special && special == SpecialTokens::kPlainText) continue;
    if (token->single_word && TouchesWord(text, begin, end)) continue;
    if (token->lstrip) begin = SkipSpaceBackward(text, ordinary, begin);
    if (token->rstrip) end = SkipSpaceForward(text, end);
    if (ordinary < begin) segments->push_back({.begin = ordinary, .end = begin, .id = std::nullopt});
    segments->push_back({.begin = begin, .end = end, .id = token->id});
    ordinary = std::max(ordinary, end);
    at = end;
  }
  if (ordinary < text.size()) segments->push_back({.begin = ordinary, .end = text.size(), .id = std::nullopt});
}

}  // namespace batucada
