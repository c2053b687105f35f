// From a template's source to its tree: tokens, literals, expressions, statements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/jinja/ast.h"

namespace batucada::jinja {

// Splits a template into text and the tokens of its tags, as jinja2 does with trim_blocks and lstrip_blocks on: the
// first newline after a block or comment is dropped, blanks before one that begins a line are dropped, `-` strips all
// white space on its side and `+` keeps it. One newline at the very end of the source is dropped.

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

// The parser's view of the tokens: the current one, and what it may be.

class TokenStream {
 public:
  // REQUIRES: what Tokenize returned.
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& current() const { return tokens_[position_]; }
  const Token& next() const { return tokens_[position_ + 1 < tokens_.size() ? position_ + 1 : position_]; }
  SourceLocation where() const { return current().where; }

  bool At(TokenKind kind) const { return current().kind == kind; }
  bool AtOperator(std::string_view text) const { return At(TokenKind::kOperator) && current().text == text; }
  bool AtName(std::string_view text) const { return At(TokenKind::kName) && current().text == text; }

  // Moves on, but never past the end. Returns the token that was current.
  const Token& Take() {
    const Token& token = current();
    if (position_ + 1 < tokens_.size()) ++position_;
    return token;
  }
  bool TakeOperator(std::string_view text) { return AtOperator(text) && (Take(), true); }
  bool TakeName(std::string_view text) { return AtName(text) && (Take(), true); }

  [[nodiscard]] absl::Status ExpectOperator(std::string_view text) {
    return TakeOperator(text) ? absl::OkStatus() : Unexpected(Concat("'", text, "'"));
  }
  [[nodiscard]] absl::Status ExpectName(std::string_view text) {
    return TakeName(text) ? absl::OkStatus() : Unexpected(Concat("'", text, "'"));
  }
  [[nodiscard]] absl::Status Expect(TokenKind kind) {
    if (!At(kind)) return Unexpected(Describe(Token{.kind = kind}));
    Take();
    return absl::OkStatus();
  }

  absl::Status Unexpected(std::string_view expected) const {
    return SyntaxError(where(), Concat("expected ", expected, ", found ", Describe(current())));
  }

 private:
  std::vector<Token> tokens_;
  size_t position_ = 0;
};

// The escapes of a string literal.

// The value of what stands between the quotes, by Python's rules: \n, \x41, \u00e9, \101 and so on; an unknown escape
// keeps its backslash. `where` is the literal's place, for errors.
[[nodiscard]] absl::StatusOr<std::string> Unescape(std::string_view literal, SourceLocation where);

// Numbers as templates write them: 12, 1_000, 0x1f, 0b1, 0o7, 1.5, 2e-3.

struct NumberLiteral {
  size_t end = 0;  // offset behind it
  bool is_float = false;
  int64_t integer = 0;
  double real = 0;
};

// The longest number that begins at `begin`. REQUIRES: a digit there. UNIMPLEMENTED if it does not fit; `where` is its
// place.
[[nodiscard]] absl::StatusOr<NumberLiteral> ReadNumber(std::string_view source, size_t begin, SourceLocation where);

// Parses a whole template.

// INVALID_ARGUMENT for what jinja2 refuses as well, UNIMPLEMENTED for what it knows and this interpreter does not, each
// with line and column: a template that parses holds nothing that rendering would have to skip.
// REQUIRES: valid UTF-8.
[[nodiscard]] absl::StatusOr<Body> ParseTemplate(std::string_view source);

// Parses the expressions of a template by jinja2's grammar.

// Names that a macro treats specially when its body mentions them.
struct SpecialNames {
  bool varargs = false;
  bool kwargs = false;
  bool caller = false;
};

enum class Conditionals : uint8_t { kAllowed, kNotAllowed };

class ExpressionParser {
 public:
  // REQUIRES: outlives the parser.
  explicit ExpressionParser(TokenStream* tokens) : tokens_(*tokens) {}

  // INVALID_ARGUMENT or UNIMPLEMENTED, with line and column.
  [[nodiscard]] absl::StatusOr<ExpressionPtr> Parse(Conditionals conditionals = Conditionals::kAllowed);
  // One expression, or several with commas between them, which are a tuple. `end_name`: a word that ends it.
  [[nodiscard]] absl::StatusOr<ExpressionPtr> ParseTuple(Conditionals conditionals = Conditionals::kAllowed,
                                                         std::string_view end_name = "");
  // | name(arguments) | …, applied to `input`, which may be null; null if there is none.
  [[nodiscard]] absl::StatusOr<ExpressionPtr> ParseFilters(ExpressionPtr input);
  // The same without the first bar.
  [[nodiscard]] absl::StatusOr<ExpressionPtr> ParseFiltersFromName(ExpressionPtr input);

  // Notes the special names mentioned from here on in `names` too, until the matching Pop.
  void PushSpecialNames(SpecialNames* names) { special_names_.push_back(names); }
  void PopSpecialNames() { special_names_.pop_back(); }

 private:
  using Result = absl::StatusOr<ExpressionPtr>;

  Result ParseConditional();
  Result ParseOr();
  Result ParseAnd();
  Result ParseNot();
  Result ParseComparison();
  Result ParseSum();
  Result ParseConcatenation();
  Result ParseProduct();
  Result ParsePower();
  enum class Filters : uint8_t { kAllowed, kNotAllowed };
  Result ParseUnary(Filters filters);
  Result ParsePrimary();
  Result ParseName();
  Result ParseParenthesized();
  Result ParseList();
  Result ParseDict();
  Result ParsePostfix(ExpressionPtr expression);
  Result ParseFiltersAndTests(ExpressionPtr expression);
  Result ParseSubscript(ExpressionPtr object);
  Result ParseFilter(ExpressionPtr input);
  Result ParseTest(ExpressionPtr input);
  Result ParseCall(ExpressionPtr callee);
  absl::Status ParseArguments(ArgumentList* arguments);
  absl::Status ParseArgument(ArgumentList* arguments);

  [[nodiscard]] absl::Status CheckDepth() const;

  TokenStream& tokens_;
  int depth_ = 0;
  std::vector<SpecialNames*> special_names_;
};

}  // namespace batucada::jinja
