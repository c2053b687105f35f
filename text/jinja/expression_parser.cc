#include "text/jinja/parser.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/status.h"
#include "text/jinja/runtime.h"

namespace batucada::jinja {
namespace {

template <typename Operator>
struct Spelling {
  std::string_view text;
  Operator op;
};

constexpr Spelling<ComparisonOperator> kComparisons[] = {
    {"==", ComparisonOperator::kEqual},  {"!=", ComparisonOperator::kNotEqual},
    {"<", ComparisonOperator::kLess},    {"<=", ComparisonOperator::kLessEqual},
    {">", ComparisonOperator::kGreater}, {">=", ComparisonOperator::kGreaterEqual}};
constexpr Spelling<BinaryOperator> kSums[] = {{"+", BinaryOperator::kAdd}, {"-", BinaryOperator::kSubtract}};
constexpr Spelling<BinaryOperator> kProducts[] = {{"*", BinaryOperator::kMultiply},
                                                  {"/", BinaryOperator::kDivide},
                                                  {"//", BinaryOperator::kFloorDivide},
                                                  {"%", BinaryOperator::kModulo}};

template <typename Operator, size_t kSize>
std::optional<Operator> TakeOperator(TokenStream* tokens, const Spelling<Operator> (&spellings)[kSize]) {
  for (const Spelling<Operator>& spelling : spellings) {
    if (tokens->TakeOperator(spelling.text)) return spelling.op;
  }
  return std::nullopt;
}

}  // namespace

absl::Status ExpressionParser::CheckDepth() const {
  if (depth_ <= kMaxSyntaxDepth) return absl::OkStatus();
  return SyntaxError(tokens_.where(), Concat("expressions nest deeper than ", kMaxSyntaxDepth, " levels"));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::Parse(Conditionals conditionals) {
  return conditionals == Conditionals::kAllowed ? ParseConditional() : ParseOr();
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseTuple(Conditionals conditionals, std::string_view end_name) {
  const SourceLocation where = tokens_.where();
  const auto at_end = [&] {
    return tokens_.At(TokenKind::kVariableEnd) || tokens_.At(TokenKind::kBlockEnd) || tokens_.AtOperator(")") ||
           (!end_name.empty() && tokens_.AtName(end_name));
  };
  if (at_end()) return tokens_.Unexpected("an expression");
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr first, Parse(conditionals));
  if (!tokens_.AtOperator(",")) return first;
  SequenceDisplay tuple = {.kind = SequenceKind::kTuple};
  tuple.items.push_back(std::move(first));
  while (tokens_.TakeOperator(",") && !at_end()) {
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr item, Parse(conditionals));
    tuple.items.push_back(std::move(item));
  }
  return MakeExpression(where, std::move(tuple));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseConditional() {
  const DepthGuard guard(&depth_);
  BATUCADA_RETURN_IF_ERROR(CheckDepth());
  const SourceLocation where = tokens_.where();
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr expression, ParseOr());
  while (tokens_.TakeName("if")) {
    Conditional node = {.then = std::move(expression)};
    BATUCADA_ASSIGN_OR_RETURN(node.test, ParseOr());
    if (tokens_.TakeName("else")) {
      BATUCADA_ASSIGN_OR_RETURN(node.otherwise, ParseConditional());
    }
    BATUCADA_ASSIGN_OR_RETURN(expression, MakeExpression(where, std::move(node)));
  }
  return expression;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseOr() {
  const SourceLocation where = tokens_.where();
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr left, ParseAnd());
  while (tokens_.TakeName("or")) {
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr right, ParseAnd());
    BATUCADA_ASSIGN_OR_RETURN(
        left,
        MakeExpression(where, Logical{.op = LogicalOperator::kOr, .left = std::move(left), .right = std::move(right)}));
  }
  return left;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseAnd() {
  const SourceLocation where = tokens_.where();
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr left, ParseNot());
  while (tokens_.TakeName("and")) {
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr right, ParseNot());
    BATUCADA_ASSIGN_OR_RETURN(
        left, MakeExpression(where,
                             Logical{.op = LogicalOperator::kAnd, .left = std::move(left), .right = std::move(right)}));
  }
  return left;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseNot() {
  const SourceLocation where = tokens_.where();
  if (!tokens_.TakeName("not")) return ParseComparison();
  const DepthGuard guard(&depth_);
  BATUCADA_RETURN_IF_ERROR(CheckDepth());
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseNot());
  return MakeExpression(where, Unary{.op = UnaryOperator::kNot, .operand = std::move(operand)});
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseComparison() {
  const SourceLocation where = tokens_.where();
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr first, ParseSum());
  ComparisonChain chain;
  while (true) {
    std::optional<ComparisonOperator> op = TakeOperator(&tokens_, kComparisons);
    if (!op.has_value() && tokens_.TakeName("in")) op = ComparisonOperator::kIn;
    if (!op.has_value() && tokens_.AtName("not") && tokens_.next().kind == TokenKind::kName &&
        tokens_.next().text == "in") {
      tokens_.Take();
      tokens_.Take();
      op = ComparisonOperator::kNotIn;
    }
    if (!op.has_value()) break;
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseSum());
    chain.rest.emplace_back(*op, std::move(operand));
  }
  if (chain.rest.empty()) return first;
  chain.first = std::move(first);
  return MakeExpression(where, std::move(chain));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseSum() {
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr left, ParseConcatenation());
  while (true) {
    const SourceLocation where = tokens_.where();
    const std::optional<BinaryOperator> op = TakeOperator(&tokens_, kSums);
    if (!op.has_value()) return left;
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr right, ParseConcatenation());
    BATUCADA_ASSIGN_OR_RETURN(
        left, MakeExpression(where, Binary{.op = *op, .left = std::move(left), .right = std::move(right)}));
  }
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseConcatenation() {
  const SourceLocation where = tokens_.where();
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr first, ParseProduct());
  if (!tokens_.AtOperator("~")) return first;
  Concatenation node;
  node.parts.push_back(std::move(first));
  while (tokens_.TakeOperator("~")) {
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr part, ParseProduct());
    node.parts.push_back(std::move(part));
  }
  return MakeExpression(where, std::move(node));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseProduct() {
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr left, ParsePower());
  while (true) {
    const SourceLocation where = tokens_.where();
    const std::optional<BinaryOperator> op = TakeOperator(&tokens_, kProducts);
    if (!op.has_value()) return left;
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr right, ParsePower());
    BATUCADA_ASSIGN_OR_RETURN(
        left, MakeExpression(where, Binary{.op = *op, .left = std::move(left), .right = std::move(right)}));
  }
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParsePower() {
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr left, ParseUnary(Filters::kAllowed));
  while (true) {
    const SourceLocation where = tokens_.where();
    if (!tokens_.TakeOperator("**")) return left;
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr right, ParseUnary(Filters::kAllowed));
    BATUCADA_ASSIGN_OR_RETURN(
        left, MakeExpression(where,
                             Binary{.op = BinaryOperator::kPower, .left = std::move(left), .right = std::move(right)}));
  }
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseUnary(Filters filters) {
  const SourceLocation where = tokens_.where();
  ExpressionPtr expression;
  const bool negate = tokens_.AtOperator("-");
  if (negate || tokens_.AtOperator("+")) {
    const DepthGuard guard(&depth_);
    BATUCADA_RETURN_IF_ERROR(CheckDepth());
    tokens_.Take();
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr operand, ParseUnary(Filters::kNotAllowed));
    const UnaryOperator op = negate ? UnaryOperator::kNegate : UnaryOperator::kPlus;
    BATUCADA_ASSIGN_OR_RETURN(expression, MakeExpression(where, Unary{.op = op, .operand = std::move(operand)}));
  } else {
    BATUCADA_ASSIGN_OR_RETURN(expression, ParsePrimary());
  }
  BATUCADA_ASSIGN_OR_RETURN(expression, ParsePostfix(std::move(expression)));
  if (filters == Filters::kNotAllowed) return expression;
  return ParseFiltersAndTests(std::move(expression));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParsePrimary() {
  const SourceLocation where = tokens_.where();
  switch (tokens_.current().kind) {
    case TokenKind::kName: return ParseName();
    case TokenKind::kInteger: return MakeExpression(where, Literal{Value::Int(tokens_.Take().integer)});
    case TokenKind::kFloat: return MakeExpression(where, Literal{Value::Float(tokens_.Take().real)});
    case TokenKind::kString: {
      std::string text;
      while (tokens_.At(TokenKind::kString)) text += tokens_.Take().text;
      return MakeExpression(where, Literal{Value::String(std::move(text))});
    }
    default: break;
  }
  if (tokens_.AtOperator("(")) return ParseParenthesized();
  if (tokens_.AtOperator("[")) return ParseList();
  if (tokens_.AtOperator("{")) return ParseDict();
  return tokens_.Unexpected("an expression");
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseName() {
  const SourceLocation where = tokens_.where();
  const std::string& name = tokens_.Take().text;
  if (name == "true" || name == "True") return MakeExpression(where, Literal{Value::Bool(true)});
  if (name == "false" || name == "False") return MakeExpression(where, Literal{Value::Bool(false)});
  if (name == "none" || name == "None") return MakeExpression(where, Literal{Value()});
  for (SpecialNames* names : special_names_) {
    names->varargs |= name == "varargs";
    names->kwargs |= name == "kwargs";
    names->caller |= name == "caller";
  }
  return MakeExpression(where, Name{name});
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseParenthesized() {
  const SourceLocation where = tokens_.where();
  tokens_.Take();
  if (tokens_.TakeOperator(")")) return MakeExpression(where, SequenceDisplay{.kind = SequenceKind::kTuple});
  BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr expression, ParseTuple());
  BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator(")"));
  return expression;
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseList() {
  const SourceLocation where = tokens_.where();
  tokens_.Take();
  SequenceDisplay list;
  while (!tokens_.AtOperator("]")) {
    if (!list.items.empty()) BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
    if (tokens_.AtOperator("]")) break;
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr item, Parse());
    list.items.push_back(std::move(item));
  }
  tokens_.Take();
  return MakeExpression(where, std::move(list));
}

absl::StatusOr<ExpressionPtr> ExpressionParser::ParseDict() {
  const SourceLocation where = tokens_.where();
  tokens_.Take();
  DictDisplay dict;
  while (!tokens_.AtOperator("}")) {
    if (!dict.entries.empty()) BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
    if (tokens_.AtOperator("}")) break;
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr key, Parse());
    BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator(":"));
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr value, Parse());
    dict.entries.emplace_back(std::move(key), std::move(value));
  }
  tokens_.Take();
  return MakeExpression(where, std::move(dict));
}

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
