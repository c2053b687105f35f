// Byte-pair encoding (Sennrich et al., arXiv 1508.07909): a word becomes characters, or bytes, and the known pair of
// lowest rank is merged until there is none.
//
// Merging takes O(n log n) for a word of n symbols, so a megabyte without a space is no trouble. Where the vocabulary
// shows that no merge can ever join a word mark (▁) to what comes before it, long texts are cut there first, which
// changes nothing in the result and lets the word cache work. Immutable and thread-safe; the scratch is not.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"
#include "text/word_cache.h"

namespace batucada {

// What a word is made of before the first merge.
enum class BpeAlphabet {
  kCharacters,  // UTF-8 characters, with byte_fallback and unk for those outside the vocabulary
  kBytes,       // raw bytes: a byte-level vocabulary that has all 256 of them
};

class Bpe {
 public:
  struct Merge {
    int32_t left = 0, right = 0;  // ids
    int32_t result = 0;
  };
  struct Config {
    BpeAlphabet alphabet = BpeAlphabet::kCharacters;
    std::vector<Merge> merges;       // lower index, lower rank; of equal pairs the last counts
    StringMap<int32_t> ids;          // by spelling; with kBytes by the bytes spelled
    bool byte_fallback = false;      // characters outside the vocabulary become <0xXX> tokens, if all of theirs exist
    bool fuse_unknown = false;       // a run of unknown characters becomes one token
    bool ignore_merges = false;      // a word that is a token by itself is that token
    std::optional<int32_t> unknown;  // for characters outside the vocabulary; without one they vanish
  };

  // Working memory. Not thread-safe; reuse it.
  struct Scratch {
    struct Symbol {
      int32_t id = 0;
      int32_t previous = -1, next = -1;  // positions; -1 at the ends
    };
    WordCache cache;
    std::vector<int32_t> word;         // the symbols of the word at work
    std::vector<uint32_t> ranks;       // of neighbours, in short words
    std::vector<Symbol> symbols;       // a linked list, in long words
    std::vector<uint64_t> candidates;  // a heap of rank << 32 | position
  };

  // REQUIRES: with kBytes, `ids` has all 256 single bytes.
  explicit Bpe(Config config);

  // Appends the tokens of `word` to *ids. REQUIRES: with kCharacters, valid UTF-8.
  void Encode(std::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const;

 private:
  struct Product {
    uint32_t rank;
    int32_t result;
  };
  static constexpr uint32_t kNoRank = UINT32_MAX;

  static uint64_t PairKey(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  uint32_t RankOf(int32_t left, int32_t right) const;

  bool WordMarkOnlyBegins() const;
  void EncodeWord(std::string_view word, Scratch* scratch, std::vector<int32_t>* ids) const;
  void AppendSymbols(std::string_view word, std::vector<int32_t>* symbols) const;
  void MergeShort(std::vector<int32_t>* symbols, std::vector<uint32_t>* ranks) const;
  void MergeLong(std::vector<int32_t>* word, Scratch* scratch) const;

  Config config_;
  absl::flat_hash_map<uint64_t, uint32_t> rank_by_pair_;  // into config_.merges
  std::array<int32_t, 256> byte_ids_;  // kBytes: the byte; byte_fallback: <0xXX>; -1 if there is none
  std::array<int32_t, 128> ascii_ids_;
  bool cut_at_word_marks_ = false;
};

}  // namespace batucada
