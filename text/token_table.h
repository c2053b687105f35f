// What every token id looks like: its spelling in the tokenizer's file and the bytes it contributes to a text.
//
// Built once by a loader, then immutable and safe to share between threads. The decoder of the tokenizer's file is
// folded into the bytes when the table is built, so decoding a token is one lookup; what depends on the neighbours of a
// token (the start of a text, characters cut into several tokens) is described by StreamRules and done by Detokenizer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/strings.h"

namespace batucada {

enum class TokenKind : uint8_t {
  kUndefined,  // a hole in the vocabulary; decodes to nothing
  kText,       // whole characters; ends a run of bytes that was waiting for more
  kBytes,      // raw bytes that may begin, continue or end a character shared with the neighbouring tokens
};

// Which tokens count as the start of a text, where some decoders drop a space.
enum class TextStart : uint8_t {
  kFirstToken,        // the first token only
  kUntilTextAppears,  // every token until one has produced text
};

// How many U+FFFD stand for bytes that form no character.
enum class BadBytes : uint8_t {
  kOnePerSequence,  // one for each maximal beginning of a character (Unicode 15, section 3.9), as byte-level decoders
                    // do
  kOnePerByte,      // one for each byte, as SentencePiece and byte_fallback decoders do
};

struct StreamRules {
  TextStart text_start = TextStart::kFirstToken;
  BadBytes bad_bytes = BadBytes::kOnePerSequence;
  // Up to so many of `strip_char` are removed at either end of the whole text.
  char32_t strip_char = U' ';
  int strip_start = 0;
  int strip_stop = 0;
};

class TokenTable {
 public:
  struct Entry {
    std::string content;      // spelling in the file
    std::string bytes;        // contribution to a text
    std::string start_bytes;  // the same at the start of a text (see TextStart)
    TokenKind kind = TokenKind::kUndefined;
    bool special = false;
  };

  // entries[id] describes `id`. REQUIRES: the contents of defined entries are distinct.
  TokenTable(std::vector<Entry> entries, const StreamRules& rules);

  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }
  const StreamRules& rules() const { return rules_; }

  // For ids outside the table: kUndefined, empty, not special.
  TokenKind kind(int32_t id) const {
    return Contains(id) ? tokens_[static_cast<size_t>(id)].kind : TokenKind::kUndefined;
  }
  bool is_special(int32_t id) const { return Contains(id) && tokens_[static_cast<size_t>(id)].special; }
  std::string_view content(int32_t id) const;
  std::string_view bytes(int32_t id) const;
  std::string_view start_bytes(int32_t id) const;

  std::optional<int32_t> Find(std::string_view content) const;

 private:
  struct Token {
    uint32_t content_begin = 0, content_size = 0;  // into text_
    uint32_t bytes_begin = 0, bytes_size = 0;      // into text_
    TokenKind kind = TokenKind::kUndefined;
    bool special = false;
  };

  bool Contains(int32_t id) const { return id >= 0 && id < size(); }

  StreamRules rules_;
  std::string text_;  // every spelling and every contribution, one after the other
  std::vector<Token> tokens_;
  absl::flat_hash_map<int32_t, std::string> start_bytes_;  // only where they differ from bytes
  StringMap<int32_t> ids_;                                 // by content
};

}  // namespace batucada
