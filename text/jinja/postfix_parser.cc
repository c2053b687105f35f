// What follows an expression: subscripts, calls, filters and tests.
#include <array>
#include <string>

#include "base/status.h"
#include "text/jinja/expression_parser.h"

namespace batucada::jinja {
namespace {

// Whether an argument without parentheses can follow a test: `is divisibleby 3`.
bool BeginsTestArgument(const TokenStream& tokens) {
  switch (tokens.current().kind) {
    case TokenKind::kName: return !tokens.AtName("else") && !tokens.AtName("or") && !tokens.AtName("and");
    case TokenKind::kString:
    case TokenKind::kInteger:
    case TokenKind::kFloat: return true;
    default: return tokens.AtOperator("[") || tokens.AtOperator("{");
  }
}

// The name of a filter or test, which may have dots. REQUIRES: at a name.
std::string TakeDottedName(TokenStream* tokens) {
  std::string name = tokens->Take().text;
  while (tokens->AtOperator(".") && tokens->next().kind == TokenKind::kName) {
    tokens->Take();
    name += "." + tokens->Take().text;
  }
  return name;
}

}  // namespace

absl::StatusOr<ExpressionPtr> ExpressionParser::ParsePostfix(ExpressionPtr expression) {
  while (true) {
    if (tokens_.AtOperator(".") || tokens_.AtOperator("[")) {
      BATUCADA_ASSIGN_OR_RETURN(expression, ParseSubscript(std::move(expression)));
    } else if (tokens_.AtOperator("(")) {
      BATUCADA_ASSIGN_OR_RETURN(expression, ParseCall(std::move(expression)));
    } else {
      return expression;
    }
  }
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseFiltersAndTests(ExpressionPtr expression) {
  while (true) {
    if (tokens_.TakeOperator("|")) {
      BATUCADA_ASSIGN_OR_RETURN(expression, ParseFilter(std::move(expression)));
    } else if (tokens_.AtName("is")) {
      BATUCADA_ASSIGN_OR_RETURN(expression, ParseTest(std::move(expression)));
    } else if (tokens_.AtOperator("(")) {
      BATUCADA_ASSIGN_OR_RETURN(expression, ParseCall(std::move(expression)));
    } else {
      return expression;
    }
  }
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseSubscript(ExpressionPtr object) {
  const SourceLocation where = tokens_.where();
  if (tokens_.TakeOperator(".")) {
    if (tokens_.At(TokenKind::kName)) {
      return MakeExpression(where, AttributeOf{.object = std::move(object), .name = tokens_.Take().text});
    }
    if (!tokens_.At(TokenKind::kInteger)) return tokens_.Unexpected("a name or number");
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr index, MakeExpression(where, Literal{Value::Int(tokens_.Take().integer)}));
    return MakeExpression(where, ItemOf{.object = std::move(object), .index = std::move(index)});
  }
  tokens_.Take();
  const auto at_end = [this] { return tokens_.AtOperator("]") || tokens_.AtOperator(",") || tokens_.AtOperator(":"); };
  std::array<ExpressionPtr, 3> parts;
  size_t colons = 0;
  while (!tokens_.AtOperator("]")) {
    if (!at_end()) {
      BATUCADA_ASSIGN_OR_RETURN(parts[colons], Parse());
    }
    if (tokens_.AtOperator(",")) return UnsupportedError(tokens_.where(), "a subscript with a comma is not supported");
    if (colons < 2 && tokens_.TakeOperator(":")) {
      ++colons;
    } else if (!tokens_.AtOperator("]")) {
      return tokens_.Unexpected("']'");
    }
  }
  tokens_.Take();
  if (colons > 0) {
    return MakeExpression(where, SliceOf{.object = std::move(object),
                                         .start = std::move(parts[0]),
                                         .stop = std::move(parts[1]),
                                         .step = std::move(parts[2])});
  }
  if (parts[0] == nullptr) return SyntaxError(where, "a subscript needs an index");
  return MakeExpression(where, ItemOf{.object = std::move(object), .index = std::move(parts[0])});
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseCall(ExpressionPtr callee) {
  const SourceLocation where = tokens_.where();
  CallOf call = {.callee = std::move(callee)};
  BATUCADA_RETURN_IF_ERROR(ParseArguments(&call.arguments));
  return MakeExpression(where, std::move(call));
}

absl::Status ExpressionParser::ParseArguments(ArgumentList* arguments) {
  BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator("("));
  bool first = true;
  while (!tokens_.AtOperator(")")) {
    if (!first) BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
    if (tokens_.AtOperator(")")) break;
    BATUCADA_RETURN_IF_ERROR(ParseArgument(arguments));
    first = false;
  }
  tokens_.Take();
  return absl::OkStatus();
}

absl::Status ExpressionParser::ParseArgument(ArgumentList* arguments) {
  const SourceLocation where = tokens_.where();
  const bool has_more = arguments->more_positional != nullptr || arguments->more_keyword != nullptr;
  if (tokens_.TakeOperator("*")) {
    if (has_more) return SyntaxError(where, "a second * argument, or one behind **");
    BATUCADA_ASSIGN_OR_RETURN(arguments->more_positional, Parse());
    return absl::OkStatus();
  }
  if (tokens_.TakeOperator("**")) {
    if (arguments->more_keyword != nullptr) return SyntaxError(where, "a second ** argument");
    BATUCADA_ASSIGN_OR_RETURN(arguments->more_keyword, Parse());
    return absl::OkStatus();
  }
  const bool keyword =
      tokens_.At(TokenKind::kName) && tokens_.next().kind == TokenKind::kOperator && tokens_.next().text == "=";
  if (keyword) {
    if (arguments->more_keyword != nullptr) return SyntaxError(where, "a named argument behind **");
    std::string name = tokens_.Take().text;
    tokens_.Take();
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr value, Parse());
    arguments->keyword.emplace_back(std::move(name), std::move(value));
    return absl::OkStatus();
  }
  if (has_more || !arguments->keyword.empty()) {
    return SyntaxError(where, "an argument without a name behind one with a name, or behind * or **");
  }
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr value, Parse());
  arguments->positional.push_back(std::move(value));
  return absl::OkStatus();
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseFilters(ExpressionPtr input) {
  while (tokens_.TakeOperator("|")) {
    BATUCADA_ASSIGN_OR_RETURN(input, ParseFilter(std::move(input)));
  }
  return input;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseFiltersFromName(ExpressionPtr input) {
  BATUCADA_ASSIGN_OR_RETURN(input, ParseFilter(std::move(input)));
  return ParseFilters(std::move(input));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseFilter(ExpressionPtr input) {
  const SourceLocation where = tokens_.where();
  if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected("the name of a filter");
  Filtered node = {.input = std::move(input), .name = TakeDottedName(&tokens_)};
  node.filter = FindFilter(node.name);
  if (tokens_.AtOperator("(")) BATUCADA_RETURN_IF_ERROR(ParseArguments(&node.arguments));
  return MakeExpression(where, std::move(node));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseTest(ExpressionPtr input) {
  const SourceLocation where = tokens_.Take().where;  // is
  const bool negated = tokens_.TakeName("not");
  if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected("the name of a test");
  Tested node = {.input = std::move(input), .name = TakeDottedName(&tokens_)};
  node.test = FindTest(node.name);
  if (tokens_.AtOperator("(")) {
    BATUCADA_RETURN_IF_ERROR(ParseArguments(&node.arguments));
  } else if (tokens_.AtName("is")) {
    return SyntaxError(tokens_.where(), "tests cannot be chained; use 'and'");
  } else if (BeginsTestArgument(tokens_)) {
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr argument, ParsePrimary());
    BATUCADA_ASSIGN_OR_RETURN(argument, ParsePostfix(std::move(argument)));
    node.arguments.positional.push_back(std::move(argument));
  }
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr expression, MakeExpression(where, std::move(node)));
  if (!negated) return expression;
  return MakeExpression(where, Unary{.op = UnaryOperator::kNot, .operand = std::move(expression)});
}

}  // namespace batucada::jinja
