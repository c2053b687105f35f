// Remembers the tokens of recent words: natural text repeats itself, and a look-up is cheaper than merging again. On
// whole books it makes encoding 2.3 times as fast (15 MB/s to 35 with the embedded model).
//
// A direct-mapped table of cache lines, so that its size is fixed, an insertion evicts exactly one word and a look-up
// touches one line. Words or token lists too long for a line are not remembered. Not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/strings.h"

namespace batucada {

class WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 22;
  static constexpr size_t kMaxTokens = 10;
  static constexpr size_t kLines = 1 << 14;  // 1 MiB in all

  WordCache() : lines_(kLines) {}

  // The tokens of `word`, empty if it is not known. Valid until the next Insert.
  std::span<const int32_t> Find(std::string_view word) const {
    if (word.size() > kMaxWordBytes) return {};
    const Line& line = lines_[Index(word)];
    if (line.word_size != word.size() || std::memcmp(line.word, word.data(), word.size()) != 0) return {};
    return {line.tokens, line.token_count};
  }

  // Remembers nothing where there is nothing: an empty list reads as a word not known.
  void Insert(std::string_view word, std::span<const int32_t> tokens) {
    if (tokens.empty() || word.size() > kMaxWordBytes || tokens.size() > kMaxTokens) return;
    Line& line = lines_[Index(word)];
    line.word_size = static_cast<uint8_t>(word.size());
    line.token_count = static_cast<uint8_t>(tokens.size());
    std::memcpy(line.word, word.data(), word.size());
    std::memcpy(line.tokens, tokens.data(), tokens.size_bytes());
  }

 private:
  struct alignas(64) Line {
    int32_t tokens[kMaxTokens];
    char word[kMaxWordBytes];
    uint8_t word_size = 0;
    uint8_t token_count = 0;
  };
  static_assert(sizeof(Line) == 64);

  static size_t Index(std::string_view word) { return StringHash()(word) % kLines; }

  std::vector<Line> lines_;
};

}  // namespace batucada
