#include "text/bpe.h"

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/utf8.h"

namespace batucada {
namespace {

constexpr std::string_view kWordMark = "\xE2\x96\x81";  // ▁, U+2581

// Up to this many symbols, scanning all neighbours for the best costs less than keeping a heap of them.
constexpr size_t kShortWord = 32;

// The first word of `text`: up to the next word mark that follows something else.
std::string_view FirstMarkedWord(std::string_view text) {
  size_t at = 0;
  while (text.substr(at, kWordMark.size()) == kWordMark) at += kWordMark.size();
  return text.substr(0, text.find(kWordMark, at));
}

int32_t FindId(const StringMap<int32_t>& ids, std::string_view spelling) {
  const auto it = ids.find(spelling);
  return it == ids.end() ? -1 : it->second;
}

}  // namespace

Bpe::Bpe(Config config) : config_(std::move(config)) {
  rank_by_pair_.reserve(config_.merges.size());
  for (size_t rank = 0; rank < config_.merges.size(); ++rank) {
    const Merge& merge = config_.merges[rank];
    rank_by_pair_[PairKey(merge.left, merge.right)] = static_cast<uint32_t>(rank);
  }
  for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    const char c = static_cast<char>(byte);
    const int32_t single = FindId(config_.ids, std::string_view(&c, 1));
    if (byte < ascii_ids_.size()) ascii_ids_[byte] = single;
    byte_ids_[byte] =
        config_.alphabet == BpeAlphabet::kBytes ? single : FindId(config_.ids, absl::StrFormat("<0x%02X>", byte));
    BATUCADA_CHECK(config_.alphabet != BpeAlphabet::kBytes || single >= 0, "byte ", byte, " has no token");
  }
  cut_at_word_marks_ = config_.alphabet == BpeAlphabet::kCharacters && WordMarkOnlyBegins();
}

bool Bpe::WordMarkOnlyBegins() const {
  // An unknown mark could become one <unk> with its neighbours.
  if (!config_.ids.contains(kWordMark)) return false;
  absl::flat_hash_set<int32_t> results;
  for (const Merge& merge : config_.merges) results.insert(merge.result);
  return std::all_of(config_.ids.begin(), config_.ids.end(), [&](const auto& token) {
    return FirstMarkedWord(token.first).size() == token.first.size() || !results.contains(token.second);
  });
}

uint32_t Bpe::RankOf(int32_t left, int32_t right) const {
  const auto it = rank_by_pair_.find(PairKey(left, right));
  return it == rank_by_pair_.end() ? kNoRank : it->second;
}

void Bpe::Encode(std::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const {
  if (config_.ignore_merges) {
    if (const int32_t id = FindId(config_.ids, word); id >= 0) {
      ids->push_back(id);
      return;
    }
  }
  if (!cut_at_word_marks_) return EncodeWord(word, scratch, ids);
  while (!word.empty()) {
    const std::string_view first = FirstMarkedWord(word);
    EncodeWord(first, scratch, ids);
    word.remove_prefix(first.size());
  }
}

void Bpe::EncodeWord(std::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const {
  if (const std::span<const int32_t> known = scratch->cache.Find(word); !known.empty()) {
    ids->insert(ids->end(), known.begin(), known.end());
    return;
  }
  std::vector<int32_t>& symbols = scratch->word;
  symbols.clear();
  symbols.reserve(word.size());
  AppendSymbols(word, &symbols);
  if (symbols.size() <= kShortWord) {
    MergeShort(&symbols, &scratch->ranks);
  } else {
    MergeLong(&symbols, scratch);
  }
  scratch->cache.Insert(word, symbols);
  ids->insert(ids->end(), symbols.begin(), symbols.end());
}

void Bpe::AppendSymbols(std::string_view word, std::vector<int32_t>* symbols) const {
  if (config_.alphabet == BpeAlphabet::kBytes) {
    for (const char c : word) symbols->push_back(byte_ids_[static_cast<uint8_t>(c)]);
    return;
  }
  // An unknown character waits for the next one that is in the vocabulary, to be fused with the ones behind it. That
  // byte_fallback does not end the wait is how the original counts, though vocabularies with only some bytes are rare.
  bool unknown_waits = false;
  for (size_t i = 0; i < word.size();) {
    const size_t begin = i;
    NextCodepoint(word, &i);
    const std::string_view character = word.substr(begin, i - begin);
    const int32_t id =
        character.size() == 1 ? ascii_ids_[static_cast<uint8_t>(character[0])] : FindId(config_.ids, character);
    if (id >= 0) {
      if (std::exchange(unknown_waits, false)) symbols->push_back(*config_.unknown);
      symbols->push_back(id);
      continue;
    }
    const auto has_token = [&](char c) { return byte_ids_[static_cast<uint8_t>(c)] >= 0; };
    if (config_.byte_fallback && std::all_of(character.begin(), character.end(), has_token)) {
      for (const char c : character) symbols->push_back(byte_ids_[static_cast<uint8_t>(c)]);
      continue;
    }
    if (!config_.unknown.has_value()) continue;
    if (unknown_waits && !config_.fuse_unknown) symbols->push_back(*config_.unknown);
    unknown_waits = true;
  }
  if (unknown_waits) symbols->push_back(*config_.unknown);
}

void Bpe::MergeShort(std::vector<int32_t>* symbols, std::vector<uint32_t>* ranks) const {
  std::vector<int32_t>& s = *symbols;
  if (s.size() < 2) return;
  ranks->resize(s.size() - 1);
  for (size_t i = 0; i + 1 < s.size(); ++i) (*ranks)[i] = RankOf(s[i], s[i + 1]);
  while (s.size() > 1) {
    const auto best = std::min_element(ranks->begin(), ranks->end());  // the leftmost of equals
    if (*best == kNoRank) return;
    const auto at = best - ranks->begin();
    const auto i = static_cast<size_t>(at);
    s[i] = config_.merges[*best].result;
    s.erase(s.begin() + at + 1);
    ranks->erase(best);
    if (i > 0) (*ranks)[i - 1] = RankOf(s[i - 1], s[i]);
    if (i + 1 < s.size()) (*ranks)[i] = RankOf(s[i], s[i + 1]);
  }
}

void Bpe::MergeLong(std::vector<int32_t>* word, Scratch* scratch) const {
  std::vector<Scratch::Symbol>& symbols = scratch->symbols;
  std::vector<uint64_t>& heap = scratch->candidates;
  const auto size = static_cast<int32_t>(word->size());
  symbols.resize(word->size());
  heap.clear();
  for (int32_t i = 0; i < size; ++i) {
    symbols[static_cast<size_t>(i)] = {
        .id = (*word)[static_cast<size_t>(i)], .previous = i - 1, .next = i + 1 < size ? i + 1 : -1};
  }
  const auto at = [&](int32_t position) -> Scratch::Symbol& { return symbols[static_cast<size_t>(position)]; };
  const auto candidate = [&](int32_t position) -> std::optional<uint64_t> {
    if (position < 0 || at(position).next < 0) return std::nullopt;
    const uint32_t rank = RankOf(at(position).id, at(at(position).next).id);
    if (rank == kNoRank) return std::nullopt;
    return static_cast<uint64_t>(rank) << 32 | static_cast<uint32_t>(position);
  };
  for (int32_t i = 0; i < size; ++i) {
    if (const auto found = candidate(i)) heap.push_back(*found);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const auto position = static_cast<int32_t>(heap.back() & UINT32_MAX);
    const Merge& merge = config_.merges[heap.back() >> 32];
    heap.pop_back();
    // The pair may have changed since it was queued: either half merged elsewhere.
    Scratch::Symbol& left = at(position);
    if (left.id != merge.left || left.next < 0 || at(left.next).id != merge.right) continue;
    Scratch::Symbol& right = at(left.next);
    left.id = merge.result;
    left.next = right.next;
    right.id = -1;  // no merge has such a half
    if (left.next >= 0) at(left.next).previous = position;
    for (const int32_t changed : {left.previous, position}) {
      if (const auto found = candidate(changed)) {
        heap.push_back(*found);
        std::push_heap(heap.begin(), heap.end(), std::greater<>());
      }
    }
  }
  word->clear();
  for (int32_t i = 0; i >= 0; i = at(i).next) word->push_back(at(i).id);
}

}  // namespace batucada
