// The "pre_tokenizer" of tokenizer.json: cuts text into the pieces within which BPE merges.
//
// Split, Digits, Punctuation, Whitespace, WhitespaceSplit, ByteLevel, Metaspace and Sequence of them, all made of four
// steps: cut by a pattern, prepend a space, mark spaces, spell bytes. Immutable and thread-safe.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "text/json_cursor.h"
#include "text/regex.h"

namespace batucada {

class PreTokenizer {
 public:
  struct Piece {
    std::string_view text;
    bool at_start = false;  // begins where the whole text begins
  };

  using Sink = absl::FunctionRef<void(const Piece&)>;

  // What a step is at. Some thousand pieces at a time go through all steps, so that a text of a piece a byte needs no
  // lists of that length.
  struct Stage {
    std::vector<Piece> pieces;         // made, not yet passed on
    std::vector<Regex::Span> matches;  // of a piece, some at a time
    std::string text;                  // rewritten, which pieces point into
    std::vector<size_t> ends;          // of the rewritten pieces in it
    size_t taken = 0;                  // bytes, of all pieces of the text
  };
  // Working memory of one text. Not thread-safe; reuse it.
  struct Scratch {
    RegexScratch regex;
    std::vector<Stage> stages;  // one for each step
  };

  // An absent pre-tokenizer leaves text in one piece. Errors are reported through the cursor.
  static PreTokenizer Parse(const JsonCursor& json);

  // If the last step spells bytes as characters (ByteLevel), forgets it and returns true: a model whose vocabulary is
  // kept as bytes needs no spelling.
  bool TakeFinalByteSpelling();

  // Whether it cuts before every blank that an ASCII letter, digit or sign is in front of, and the pieces on either
  // side depend on nothing beyond: then a text may be cut there before it comes here. Known of the patterns that the
  // published byte-level tokenizers are made of.
  bool CutsBeforeBlanks() const;

  // Cuts `text` into pieces, none of them empty, and gives `sink` one after the other; what a piece points into is
  // there until `sink` returns. After an error some have been given.
  [[nodiscard]] absl::Status Run(std::string_view text, bool at_start, Scratch* scratch, Sink sink) const;

 private:
  enum class Behavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };
  // What is known of a pattern: nothing; it matches no blank and looks at nothing but what it matches; no match of it
  // goes on with a blank behind something else.
  enum class BlankRule { kUnknown, kIgnored, kCutBefore };
  enum class PrependScheme { kAlways, kFirst, kNever };
  struct Cut {
    Regex pattern;
    Behavior behavior;
    bool invert;
    BlankRule blanks = BlankRule::kUnknown;
  };
  struct PrependSpace {};
  struct MarkSpaces {
    std::string mark;
    PrependScheme scheme;
  };
  struct SpellBytes {};
  using Step = std::variant<Cut, PrependSpace, MarkSpaces, SpellBytes>;

  class Joiner;

  void ParseStep(const JsonCursor& json);
  void ParseMetaspace(const JsonCursor& json);
  static BlankRule RuleOf(std::string_view pattern);
  static Behavior ParseBehavior(const JsonCursor& json);

  // Does what step `step` and those behind it do to `pieces`.
  [[nodiscard]] absl::Status Pass(size_t step, std::span<const Piece> pieces, Scratch* scratch, Sink sink) const;
  [[nodiscard]] absl::Status Apply(const Cut& cut, size_t step, std::span<const Piece> pieces, Scratch* scratch,
                                   Sink sink) const;
  // Steps that rewrite pieces and leave them whole: what they put into stage->text.
  [[nodiscard]] static absl::Status Rewrite(const PrependSpace&, std::span<const Piece> pieces, Stage* stage);
  [[nodiscard]] static absl::Status Rewrite(const MarkSpaces& mark, std::span<const Piece> pieces, Stage* stage);
  [[nodiscard]] static absl::Status Rewrite(const SpellBytes&, std::span<const Piece> pieces, Stage* stage);

  static constexpr size_t kMaxSteps = 64;

  std::vector<Step> steps_;
};

}  // namespace batucada
