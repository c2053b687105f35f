// The parser's view of the tokens: the current one, and what it may be.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "text/jinja/lexer.h"

namespace batucada::jinja {

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

}  // namespace batucada::jinja
