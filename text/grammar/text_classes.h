// Which of several patterns a text matches: the product of their automata (Rabin and Scott's subset construction, over
// characters). It is how a text is held to several patterns at once, or kept from matching one.
//
// What \d, \w and their like mean differs between readers (regex.h). A text matches a pattern if every reader says so,
// and does not if no reader does; texts between the two are in no class.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "text/grammar/expression.h"
#include "text/grammar/json_parts.h"
#include "text/grammar/regex.h"
#include "text/grammar/work_budget.h"

namespace batucada::grammar {

struct TextPattern {
  std::string regex;
  RegexMatch match = RegexMatch::kSearch;
  std::vector<std::string> texts;  // if there are any, exactly these instead

  // Of a length within the bounds, which no text has if they are the wrong way round; `most` below 0: any.
  static TextPattern OfLength(int64_t least, int64_t most);
};

// Used by one thread.
class TextClasses {
 public:
  static constexpr size_t kMostPatterns = 24;

  // INVALID_ARGUMENT: one of them cannot be read, says `at`, or all together are too large for an automaton.
  struct Refusal {
    size_t at = 0;  // the pattern
    std::string why;
  };
  static absl::StatusOr<TextClasses> Make(std::span<const TextPattern> patterns, WorkBudget& budget, Refusal* refusal);

  // Texts that match all patterns of `in` and none of `out`, sets of bits, as they stand in a JSON string: escaped
  // where they must be, without quotes. kNoText if there are none.
  ExprId Texts(uint32_t in, uint32_t out, JsonParts& json, Expressions& expressions) const;
  // Every set of patterns that texts match which match none of the others.
  std::vector<uint32_t> Classes() const;
  // Whether a text is in one of them, and in which.
  bool Find(std::string_view text, uint32_t* matched) const;

 private:
  struct Edge {
    CharSet chars;
    int32_t to = 0;
  };
  struct State {
    uint32_t matched = 0, perhaps = 0;  // by every reader, and by any
    std::vector<Edge> edges;            // of sets apart from each other
  };
  friend class TextClassesBuilder;

  std::vector<State> states_;  // the first is where texts begin
};

}  // namespace batucada::grammar
