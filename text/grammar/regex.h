// Regular expressions as ECMA-262 writes them, read into expressions. They match whole texts: what is outside of ^ and
// $ may be anything only where a search is asked for.
//
// Not taken, since a grammar cannot hold to them: lookaheads and lookbehinds, back references, \b, flags. Lazy
// quantifiers mean what greedy ones do: which texts match is the same. Read narrowly, \d and \w are ASCII's, \W and \S
// leave out what any reading of them would.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "text/grammar/expression.h"

namespace batucada::grammar {

enum class RegexMatch : uint8_t {
  kWhole,   // the text is what the expression matches
  kSearch,  // the text holds it somewhere, unless it is anchored
};

// What \d, \w, \s, their opposites, . and $ mean differs between readers.
enum class RegexReading : uint8_t {
  kNarrow,  // every reader matches what is read
  kWide,    // what any reader matches is read: for texts that must not match
};

struct RegexLanguage {
  ExprId expression = kEmptyText;
  int64_t least = 0, most = 0;  // characters that a text has; most < 0: any number
};

// `chars` writes one character of a set: CharSet to expression, so that a text may stand in a JSON string.
// INVALID_ARGUMENT says what is wrong, and where.
absl::StatusOr<RegexLanguage> ReadRegex(std::string_view pattern, RegexMatch match, Expressions& expressions,
                                        const std::function<ExprId(const CharSet&)>& chars,
                                        RegexReading reading = RegexReading::kNarrow);

}  // namespace batucada::grammar
