// The "decoder" of tokenizer.json, folded into what each token contributes to a text.
//
// ByteLevel, ByteFallback, Replace, Strip, Metaspace, Fuse and Sequence of them. All but what happens at the two ends
// of the fused text acts on one token at a time, so it is done once, when the vocabulary is loaded; the rest becomes
// StreamRules. Immutable and thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/json_cursor.h"
#include "text/regex.h"
#include "text/token_table.h"

namespace batucada {

class Decoder {
 public:
  // Without a decoder, tokens are joined with spaces. Errors are reported through the cursor.
  static Decoder Parse(const JsonCursor& json);

  const StreamRules& rules() const { return rules_; }

  // Fills bytes, start_bytes and kind of an entry from its content, or from `spelling` where the text of a token is not
  // its name. REQUIRES: valid UTF-8.
  [[nodiscard]] absl::Status Fold(std::string_view spelling, RegexScratch* scratch, TokenTable::Entry* entry) const;

 private:
  struct Replace {
    Regex pattern;
    std::string content;
  };
  struct Strip {
    char32_t content;
    int start, stop;
  };
  struct Metaspace {
    char32_t mark;
    bool drop_at_start;
  };
  struct ByteFallback {};
  struct ByteLevel {};
  struct SpaceBetween {};
  using Step = std::variant<Replace, Strip, Metaspace, ByteFallback, ByteLevel, SpaceBetween>;

  void ParseStep(const JsonCursor& json);
  void ParseStrip(const JsonCursor& json);

  struct Contribution {
    std::string bytes;
    TokenKind kind = TokenKind::kText;
  };
  [[nodiscard]] absl::StatusOr<Contribution> Run(std::string_view spelling, bool at_start, RegexScratch* scratch) const;

  static constexpr size_t kMaxSteps = 64;

  std::vector<Step> steps_;
  StreamRules rules_;
  bool has_byte_fallback_ = false;
  bool fused_ = false;  // the steps so far make one text of all tokens
};

}  // namespace batucada
