// The "pre_tokenizer" of tokenizer.json: cuts text into the pieces within which BPE merges.
//
// Split, Digits, Punctuation, Whitespace, WhitespaceSplit, ByteLevel, Metaspace and Sequence of them, all made of four
// steps: cut by a pattern, prepend a space, mark spaces, spell bytes. Immutable and thread-safe.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

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

  // Working memory of one text. Not thread-safe; reuse it.
  struct Scratch {
    RegexScratch regex;
    std::vector<Piece> pieces;  // the result of Run
    std::vector<Piece> next;    // the step at work
    std::vector<Regex::Span> matches;
    std::deque<std::string> buffers;  // rewritten text that pieces point into
  };

  // An absent pre-tokenizer leaves text in one piece. Errors are reported through the cursor.
  static PreTokenizer Parse(const JsonCursor& json);

  // If the last step spells bytes as characters (ByteLevel), forgets it and returns true: a model whose vocabulary is
  // kept as bytes needs no spelling.
  bool TakeFinalByteSpelling();

  // Cuts `text` into scratch->pieces, none of them empty, which point into `text` or into the scratch.
  [[nodiscard]] absl::Status Run(std::string_view text, bool at_start, Scratch* scratch) const;

 private:
  enum class Behavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };
  enum class PrependScheme { kAlways, kFirst, kNever };
  struct Cut {
    Regex pattern;
    Behavior behavior;
    bool invert;
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
  static Behavior ParseBehavior(const JsonCursor& json);

  [[nodiscard]] static absl::Status Apply(const Cut& cut, Scratch* scratch);
  [[nodiscard]] static absl::Status Apply(const PrependSpace& prepend, Scratch* scratch);
  [[nodiscard]] static absl::Status Apply(const MarkSpaces& mark, Scratch* scratch);
  [[nodiscard]] static absl::Status Apply(const SpellBytes& spell, Scratch* scratch);

  static constexpr size_t kMaxSteps = 64;

  std::vector<Step> steps_;
};

}  // namespace batucada
