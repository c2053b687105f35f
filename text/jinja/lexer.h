// Splits a template into text and the tokens of its tags, as jinja2 does with trim_blocks and lstrip_blocks on: the
// first newline after a block or comment is dropped, blanks before one that begins a line are dropped, `-` strips all
// white space on its side and `+` keeps it. One newline at the very end of the source is dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "text/jinja/source_location.h"

namespace batucada::jinja {

enum class TokenKind : uint8_t {
  kText,           // `text`: what is printed as it is
  kVariableBegin,  // {{
  kVariableEnd,    // }}
  kBlockBegin,     // {%
  kBlockEnd,       // %}
  kName,           // `text`
  kString,         // `text`, without quotes, escapes resolved
  kInteger,        // `integer`
  kFloat,          // `real`
  kOperator,       // `text`
  kEnd,            // of the template; always the last token
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  SourceLocation where;
  std::string text;
  int64_t integer = 0;
  double real = 0;
};

// INVALID_ARGUMENT for what jinja2 refuses too, UNIMPLEMENTED for what only jinja2 reads (\N{…} in a string, integers
// beyond 64 bits), each with line and column.
[[nodiscard]] absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source);

// How a token appears in an error message.
std::string Describe(const Token& token);

}  // namespace batucada::jinja
