// The masks of a Machine: which tokens may come at a place.
#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "text/grammar/machine.h"
#include "text/grammar/utf8_ranges.h"

namespace batucada::grammar {
namespace {

constexpr int64_t kNodesAStep = 16;  // of a trie, where a set of tokens is made

const std::vector<Utf8Sequence>& BeyondAscii() {
  static const auto* sequences = [] {
    auto* made = new std::vector<Utf8Sequence>;
    AppendUtf8Sequences({0x80, 0xD7FF}, made);
    AppendUtf8Sequences({0xE000, kLastChar}, made);
    return made;
  }();
  return *sequences;
}

}  // namespace

int32_t Machine::MostGoTo(int32_t place, CharClass* chars) {
  std::array<int32_t, 128> to{};
  to.fill(kNowhere);
  for (const Thread& thread : ThreadsOf(place)) {
    const State& state = network_[thread.state];
    for (uint32_t e = state.begin; e < state.end; ++e) {
      const ByteEdge& edge = network_.edges()[e];
      for (int byte = edge.first; byte <= std::min<int>(edge.last, 127); ++byte)
        to[static_cast<size_t>(byte)] = kUnknown;
    }
  }
  for (size_t byte = 0; byte < to.size(); ++byte) {
    if (to[byte] == kUnknown) to[byte] = Step(place, static_cast<uint8_t>(byte));
  }
  absl::InlinedVector<std::pair<int32_t, int>, 16> counts;
  for (const int32_t next : to) {
    if (next < 0) continue;
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& one) { return one.first == next; });
    if (found == counts.end()) {
      counts.emplace_back(next, 1);
    } else {
      ++found->second;
    }
  }
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end() || most->second < kLeastWidth) return kNowhere;
  for (size_t byte = 0; byte < to.size(); ++byte) chars->ascii[byte] = to[byte] == most->first;
  chars->others = OthersLead(place, [next = most->first](int32_t found) { return found == next; });
  return most->first;
}

bool Machine::OthersLead(int32_t place, absl::FunctionRef<bool(int32_t)> to) {
  const auto& classes = network_.byte_class();
  const std::function<bool(const Utf8Sequence&, int, int32_t)> leads = [&](const Utf8Sequence& sequence, int at,
                                                                           int32_t from) {
    if (at == sequence.length) return to(from);
    const ByteRange range = sequence.bytes[static_cast<size_t>(at)];
    for (int byte = range.first; byte <= range.last; ++byte) {
      if (byte > range.first && classes[static_cast<size_t>(byte)] == classes[static_cast<size_t>(byte) - 1]) continue;
      const int32_t next = Step(from, static_cast<uint8_t>(byte));
      if (next < 0 || !leads(sequence, at + 1, next)) return false;
    }
    return true;
  };
  return std::all_of(BeyondAscii().begin(), BeyondAscii().end(),
                     [&](const Utf8Sequence& sequence) { return leads(sequence, 0, place); });
}

bool Machine::IsWide(int32_t place) const {
  int width = 0;
  for (const Thread& thread : ThreadsOf(place)) width += network_[thread.state].width;
  return width >= kLeastWidth;
}

int32_t Machine::LoopOf(int32_t place, int depth) {
  const auto at = static_cast<size_t>(place);
  if (places_[at].loop != kUnknown) return places_[at].loop;
  if (!IsWide(place)) return places_[at].loop = kNowhere;
  if (depth > kMostRoom) return kNowhere;  // asked again from nearer
  places_[at].loop = kNowhere;             // where this leads to comes back here
  Loop loop;
  const int32_t next = loop.next = MostGoTo(place, &loop.chars);
  if (next < 0) return kNowhere;
  if (Like(next) == Like(place)) {
    loop.next = place;
    loop.room = kForever;
  } else if (const int32_t rest = LoopOf(next, depth + 1);
             rest >= 0 && loops_[static_cast<size_t>(rest)].chars == loop.chars) {
    const int32_t room = loops_[static_cast<size_t>(rest)].room;
    loop.room = room == kForever ? kForever : room + 1;
  } else {
    for (int byte = 0; byte < 256; ++byte) {
      if (loop.chars.Has(static_cast<uint8_t>(byte)) && Step(next, static_cast<uint8_t>(byte)) >= 0) return kNowhere;
    }
    loop.room = 1;
  }
  if (budget_.spent()) {
    places_[at].loop = kUnknown;
    return kNowhere;
  }
  // Counts of characters end at TokenTrie::kMost.
  const bool counts = loop.next != place;
  if (counts && (vocabulary_.longest() >= TokenTrie::kMost || (loop.room != kForever && loop.room > kMostRoom)))
    return kNowhere;
  loops_.push_back(loop);
  return places_[at].loop = static_cast<int32_t>(loops_.size()) - 1;
}

std::shared_ptr<const TokenSet> Machine::SetOf(const CharClass& chars, uint32_t node) {
  bool fresh = false;
  const TokenTrie& trie = vocabulary_.trie();
  auto set = vocabulary_.Set(chars, node, &fresh);
  if (fresh) {
    const uint32_t nodes = node == TokenSet::kRoot ? trie.size() : trie.nodes[node].end - node;
    budget_.Spend(nodes / kNodesAStep);
  }
  return set;
}

void Machine::MarkRanks(const TokenTrie& trie, uint32_t begin, uint32_t end) {
  for (uint32_t rank = begin; rank < end; ++rank) {
    const auto id = static_cast<size_t>(trie.ids[rank]);
    mask_[id / 32] |= 1U << (id % 32);
  }
}

void Machine::MarkSet(const TokenSet& set, int32_t room) {
  if (room == kForever && !set.mask().empty()) {
    std::transform(mask_.begin(), mask_.end(), set.mask().begin(), mask_.begin(), std::bit_or<>());
    return;
  }
  for (const TokenSet::Token& token : set.tokens()) {
    if (token.chars <= room) mask_[static_cast<size_t>(token.id) / 32] |= 1U << (token.id % 32);
  }
}

void Machine::Visit(const TokenTrie& trie, uint32_t node, int32_t place, bool loops) {
  MarkRanks(trie, trie.nodes[node].rank, trie.own_end(node));
  const uint32_t end = trie.nodes[node].end;
  if (loops && end - node > kLeastNodes && WalkLoop(node, place)) return;
  if (end > node + 1) levels_.push_back({.children = trie.children(node), .place = place});
}

void Machine::WalkChildren(const TokenTrie& trie, const TokenTrie::Children& children, int32_t place) {
  const bool loops = &trie == &vocabulary_.trie();
  const auto& classes = network_.byte_class();
  const auto width = static_cast<size_t>(network_.classes());
  const size_t base = levels_.size();
  levels_.push_back({.children = children, .place = place});
  while (levels_.size() > base && !budget_.spent()) {
    Level& level = levels_.back();
    if (level.at == level.children.size) {
      levels_.pop_back();
      continue;
    }
    const uint8_t byte = level.children.bytes[level.at];
    const uint32_t node = level.children.nodes[level.at++];
    int32_t next = steps_[static_cast<size_t>(level.place) * width + classes[byte]];
    if (next == kUnknown) next = Step(level.place, byte);
    if (next != kNowhere) Visit(trie, node, next, loops);  // `level` may be gone
  }
  levels_.resize(base);
}

void Machine::Walk(const TokenTrie& trie, uint32_t begin, uint32_t end, int32_t place) {
  if (begin == 0 && end == trie.size()) return WalkChildren(trie, trie.roots(), place);
  const bool loops = &trie == &vocabulary_.trie();
  for (uint32_t i = begin; i < end && !budget_.spent(); i = trie.nodes[i].end) {
    const int32_t next = Step(place, trie.nodes[i].byte);
    if (next == kNowhere) continue;
    const size_t base = levels_.size();
    Visit(trie, i, next, loops);
    if (levels_.size() == base) continue;
    levels_.resize(base);
    WalkChildren(trie, trie.children(i), next);
  }
}

bool Machine::StaysInStrings(int32_t place) {
  if (!IsWide(place)) return false;
  const CharClass& chars = vocabulary_.string_chars();
  absl::InlinedVector<int32_t, kMostSearched> places = {place};
  const auto leads = [&](int32_t next) {
    if (next < 0) return false;
    if (std::find(places.begin(), places.end(), next) == places.end()) places.push_back(next);
    return places.size() <= kMostSearched;
  };
  for (size_t i = 0; i < places.size(); ++i) {
    for (uint8_t byte = 0; byte < 128; ++byte) {
      if (chars.ascii[byte] && !leads(Step(places[i], byte))) return false;
    }
    if (!OthersLead(places[i], leads)) return false;
  }
  return !budget_.spent();
}

bool Machine::WalkLoop(uint32_t node, int32_t place) {
  const TokenTrie::Node& at = vocabulary_.trie().nodes[node];
  if (at.depth == TokenTrie::kMost || at.text != TokenTrie::Text::kWhole) return false;
  const int32_t index = LoopOf(place);
  if (index < 0) return false;
  const Loop loop = loops_[static_cast<size_t>(index)];
  const auto set = SetOf(loop.chars, node);
  MarkSet(*set, loop.room);
  WalkRests(*set, loop, place);
  WalkStarts(*set, place);
  return true;
}

void Machine::WalkRests(const TokenSet& set, const Loop& loop, int32_t place) {
  const TokenTrie& trie = vocabulary_.trie();
  if (loop.next == place && set.rests().size() > 0) return Walk(set.rests(), 0, set.rests().size(), place);
  // The places after none, one, two … characters.
  absl::InlinedVector<int32_t, 40> places = {place};
  while (loop.room == kForever || places.size() <= static_cast<size_t>(loop.room)) {
    const int32_t next = loops_[static_cast<size_t>(LoopOf(places.back()))].next;
    if (next == places.back()) break;
    places.push_back(next);
  }
  for (const TokenSet::Exit& exit : set.exits()) {
    if (budget_.spent()) return;
    if (exit.chars > loop.room) continue;
    const TokenTrie::Node& node = trie.nodes[exit.node];
    const int32_t next = Step(places[std::min<size_t>(exit.chars, places.size() - 1)], node.byte);
    if (next < 0) continue;
    MarkRanks(trie, node.rank, trie.own_end(exit.node));
    if (node.end > exit.node + 1) Walk(trie, exit.node + 1, node.end, next);
  }
}

void Machine::WalkStarts(const TokenSet& set, int32_t place) {
  const TokenTrie& trie = vocabulary_.trie();
  for (const TokenSet::Exit& exit : set.starts()) {
    if (Step(place, trie.nodes[exit.node].byte) >= 0) Walk(trie, exit.node, trie.nodes[exit.node].end, place);
  }
}

void Machine::WalkFromRoot(int32_t place) {
  const TokenTrie& trie = vocabulary_.trie();
  CharClass chars;
  const int32_t next = IsWide(place) ? MostGoTo(place, &chars) : kNowhere;
  const int32_t index = next < 0 ? kNowhere : LoopOf(next);
  // All that the loop holds, but for what begins otherwise.
  const Loop loop = index < 0 ? Loop{} : loops_[static_cast<size_t>(index)];
  if (index < 0 || loop.next != next || 2 * (loop.chars.ascii & chars.ascii).count() < loop.chars.ascii.count()) {
    return Walk(trie, 0, trie.size(), place);
  }
  const auto set = SetOf(loop.chars, TokenSet::kRoot);
  MarkSet(*set, kForever);
  WalkRests(*set, loop, next);
  const TokenTrie::Children roots = trie.roots();
  for (uint32_t k = 0; k < roots.size; ++k) {
    const uint8_t byte = roots.bytes[k];
    if (loop.chars.Has(byte) && (byte < 128 ? chars.ascii[byte] : chars.others)) continue;
    const uint32_t i = roots.nodes[k];
    const TokenTrie::Node& node = trie.nodes[i];
    for (uint32_t rank = node.rank, last = trie.below_end(i); rank < last; ++rank) {
      const auto id = static_cast<size_t>(trie.ids[rank]);
      mask_[id / 32] &= ~(1U << (id % 32));
    }
    Walk(trie, i, node.end, place);
  }
}

absl::Status Machine::MakeMask(int32_t place) {
  mask_.assign(vocabulary_.words(), 0);
  levels_.clear();
  const int32_t index = LoopOf(place);
  if ((index < 0 || loops_[static_cast<size_t>(index)].chars != vocabulary_.string_chars()) && StaysInStrings(place)) {
    const TokenSet& set = vocabulary_.in_strings();
    MarkSet(set, kForever);
    Walk(vocabulary_.leaving_strings(), 0, vocabulary_.leaving_strings().size(), place);
  } else if (index >= 0) {
    const Loop loop = loops_[static_cast<size_t>(index)];
    const auto set = SetOf(loop.chars, TokenSet::kRoot);
    MarkSet(*set, kForever);
    if (loop.room != kForever) vocabulary_.RemoveLonger(loop.room, mask_);
    WalkRests(*set, loop, place);
    WalkStarts(*set, place);
  } else {
    WalkFromRoot(place);
  }
  if (places_[static_cast<size_t>(place)].accepting) {
    for (const int32_t id : vocabulary_.end_tokens()) {
      if (id < vocabulary_.size()) mask_[static_cast<size_t>(id) / 32] |= 1U << (id % 32);
    }
  }
  if (budget_.spent()) return absl::ResourceExhaustedError("the grammar is too ambiguous to be followed any further");
  places_[static_cast<size_t>(place)].mask = static_cast<int32_t>(masks_.size());
  masks_.push_back(mask_);
  return absl::OkStatus();
}

}  // namespace batucada::grammar
