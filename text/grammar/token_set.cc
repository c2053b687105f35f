#include "text/grammar/token_set.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace batucada::grammar {

TokenSet::TokenSet(const CharClass& chars, const TokenTrie& trie, uint32_t node, size_t words, uint32_t most_rests) {
  std::array<bool, 256> inside{};
  for (size_t byte = 0; byte < 256; ++byte) {
    inside[byte] = byte < 128 ? chars.ascii[byte] : chars.others;
  }
  const uint32_t begin = node == kRoot ? 0 : node + 1, end = node == kRoot ? trie.size() : trie.nodes[node].end;
  const int before = node == kRoot ? 0 : trie.nodes[node].chars;
  for (uint32_t i = begin; i < end;) {
    const TokenTrie::Node& at = trie.nodes[i];
    if (inside[at.byte] && at.text <= TokenTrie::Text::kCut) {
      for (uint32_t rank = at.rank, last = trie.own_end(i); rank < last; ++rank) {
        tokens_.push_back({trie.ids[rank], static_cast<uint8_t>(at.chars - before)});
      }
      ++i;
      continue;
    }
    // Within a character nothing else can come.
    if (at.text != TokenTrie::Text::kTorn) {
      const auto read = static_cast<uint8_t>(at.chars - (BeginsCharacter(at.byte) ? 1 : 0) - before);
      (read == 0 ? starts_ : exits_).push_back({i, read});
    }
    i = at.end;
  }
  AddRests(trie, most_rests);
  if (tokens_.size() < words) return;
  mask_.resize(words);
  for (const Token& token : tokens_) mask_[static_cast<size_t>(token.id) / 32] |= 1U << (token.id % 32);
}

void TokenSet::AddRests(const TokenTrie& trie, uint32_t most) {
  uint32_t count = 0;
  for (const Exit& exit : exits_) count += trie.below_end(exit.node) - trie.nodes[exit.node].rank;
  if (count > most) return;
  // All in one string, and sorted by their first bytes, which mostly tell them apart.
  struct Rest {
    uint64_t first = 0;  // eight bytes, the first of them the highest
    uint32_t begin = 0, size = 0;
    int32_t id = 0;
  };
  std::vector<Rest> rests;
  rests.reserve(count);
  std::string all, path;
  std::vector<uint32_t> ends;  // of the nodes on it
  for (const Exit& exit : exits_) {
    path.clear();
    ends.clear();
    for (uint32_t n = exit.node; n < trie.nodes[exit.node].end; ++n) {
      while (!ends.empty() && ends.back() <= n) {
        ends.pop_back();
        path.pop_back();
      }
      path.push_back(static_cast<char>(trie.nodes[n].byte));
      ends.push_back(trie.nodes[n].end);
      const uint32_t rank = trie.nodes[n].rank, last = trie.own_end(n);
      if (rank == last) continue;
      Rest rest{.begin = static_cast<uint32_t>(all.size()), .size = static_cast<uint32_t>(path.size())};
      all += path;
      for (size_t i = 0; i < sizeof rest.first; ++i) {
        rest.first = rest.first << 8 | (i < path.size() ? static_cast<uint8_t>(path[i]) : 0U);
      }
      for (uint32_t own = rank; own < last; ++own) {
        rest.id = trie.ids[own];
        rests.push_back(rest);
      }
    }
  }
  const auto text = [&](const Rest& rest) { return std::string_view{all}.substr(rest.begin, rest.size); };
  std::sort(rests.begin(), rests.end(), [&](const Rest& a, const Rest& b) {
    if (a.first != b.first) return a.first < b.first;
    const int order = text(a).compare(text(b));
    return order != 0 ? order < 0 : a.id < b.id;
  });
  std::vector<std::pair<std::string_view, int32_t>> views;
  views.reserve(rests.size());
  for (const Rest& rest : rests) views.emplace_back(text(rest), rest.id);
  rests_ = TokenTrie(views);
}

std::shared_ptr<const TokenSet> TokenSets::Find(const CharClass& chars, const TokenTrie& trie, uint32_t node,
                                                size_t words, bool* fresh) const {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(kept_.begin(), kept_.end(),
                                    [&](const Kept& one) { return one.node == node && one.chars == chars; });
    *fresh = found == kept_.end();
    if (!*fresh) {
      found->used = std::chrono::steady_clock::now();
      kept_.splice(kept_.begin(), kept_, found);
      return found->set;
    }
  }
  auto made = std::make_shared<const TokenSet>(chars, trie, node, words);  // others need not wait
  const std::lock_guard lock(mutex_);
  kept_.push_front({chars, node, made, std::chrono::steady_clock::now()});
  kept_bytes_ += made->bytes();
  while (kept_.size() > kMostKept || (kept_bytes_ > kMostBytes && kept_.size() > 1)) {
    kept_bytes_ -= kept_.back().set->bytes();
    kept_.pop_back();
  }
  return made;
}

void TokenSets::ForgetUnused(std::chrono::steady_clock::time_point since) const {
  std::list<Kept> forgotten;  // goes when nobody waits for it
  const std::lock_guard lock(mutex_);
  const auto first = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& one) { return one.used < since; });
  for (auto one = first; one != kept_.end(); ++one) kept_bytes_ -= one->set->bytes();
  forgotten.splice(forgotten.end(), kept_, first, kept_.end());
}

}  // namespace batucada::grammar
