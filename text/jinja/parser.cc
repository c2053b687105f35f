#include "text/jinja/parser.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"

namespace batucada::jinja {
namespace {

bool IsConstant(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kNames = {"true", "false", "none", "True", "False", "None"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// Statements of jinja2 that have no place in a chat template: they read other files or build on other templates.
bool IsUnsupportedStatement(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kNames = {"autoescape", "block",   "do",    "extends", "from",
                                                             "import",     "include", "trans", "debug"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)), expressions_(&tokens_) {}

  absl::StatusOr<Body> Run() {
    Body body;
    BATUCADA_ASSIGN_OR_RETURN(body.statements, ParseBlock({}));
    FindLateNames(&body);
    return body;
  }

 private:
  using Result = absl::StatusOr<Statement>;

  // Everything up to one of the tags `ends`, whose name is then the current token; with none, to the template's end.
  absl::StatusOr<Block> ParseBlock(std::initializer_list<std::string_view> ends) {
    const DepthGuard guard(&depth_);
    if (depth_ > kMaxSyntaxDepth) {
      return SyntaxError(tokens_.where(), Concat("blocks nest deeper than ", kMaxSyntaxDepth, " levels"));
    }
    const SourceLocation begin = tokens_.where();
    Block block;
    while (!tokens_.At(TokenKind::kEnd)) {
      const SourceLocation where = tokens_.where();
      if (tokens_.At(TokenKind::kText)) {
        block.push_back({.where = where, .node = Text{tokens_.Take().text}});
      } else if (tokens_.At(TokenKind::kVariableBegin)) {
        tokens_.Take();
        BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr value, expressions_.ParseTuple());
        BATUCADA_RETURN_IF_ERROR(tokens_.Expect(TokenKind::kVariableEnd));
        block.push_back({.where = where, .node = Print{std::move(value)}});
      } else {
        BATUCADA_RETURN_IF_ERROR(tokens_.Expect(TokenKind::kBlockBegin));
        if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return tokens_.AtName(end); })) {
          return block;
        }
        BATUCADA_ASSIGN_OR_RETURN(Statement statement, ParseStatement());
        BATUCADA_RETURN_IF_ERROR(tokens_.Expect(TokenKind::kBlockEnd));
        block.push_back(std::move(statement));
      }
    }
    if (ends.size() == 0) return block;
    return SyntaxError(begin,
                       Concat("the block that begins here has no end: {% ", *(ends.end() - 1), " %} is missing"));
  }

  // A tag's end, a block, and the name of its last tag, which is skipped.
  absl::StatusOr<Block> ParseBlockUntil(std::string_view end) {
    BATUCADA_RETURN_IF_ERROR(ExpectTagEnd());
    BATUCADA_ASSIGN_OR_RETURN(Block block, ParseBlock({end}));
    tokens_.Take();
    return block;
  }

  absl::Status ExpectTagEnd() {
    tokens_.TakeOperator(":");
    return tokens_.Expect(TokenKind::kBlockEnd);
  }

  Result ParseStatement() {
    const SourceLocation where = tokens_.where();
    if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected("the name of a tag");
    const std::string& name = tokens_.Take().text;
    Statement statement = {.where = where};
    if (name == "if") return ParseIf(std::move(statement));
    if (name == "for") return ParseFor(std::move(statement));
    if (name == "set") return ParseSet(std::move(statement));
    if (name == "macro") return ParseMacro(std::move(statement));
    if (name == "call") return ParseCallBlock(std::move(statement));
    if (name == "filter") return ParseFilterBlock(std::move(statement));
    if (name == "with") return ParseWith(std::move(statement));
    if (name == "generation") return ParseGeneration(std::move(statement));
    if (name == "print") return ParsePrint(std::move(statement));
    if (name == "break" || name == "continue") {
      if (loops_ == 0) return SyntaxError(where, Concat("'", name, "' outside of a loop"));
      if (name == "break") return Statement{.where = where, .node = Break{}};
      return Statement{.where = where, .node = Continue{}};
    }
    if (IsUnsupportedStatement(name)) return UnsupportedError(where, Concat("the tag '", name, "' is not supported"));
    return SyntaxError(where, Concat("unknown tag '", name, "'"));
  }

  Result ParseIf(Statement statement) {
    If node;
    while (true) {
      If::Branch branch;
      BATUCADA_ASSIGN_OR_RETURN(branch.test, expressions_.ParseTuple(Conditionals::kNotAllowed));
      BATUCADA_RETURN_IF_ERROR(ExpectTagEnd());
      BATUCADA_ASSIGN_OR_RETURN(branch.body, ParseBlock({"elif", "else", "endif"}));
      node.branches.push_back(std::move(branch));
      if (tokens_.TakeName("elif")) continue;
      if (tokens_.TakeName("else")) {
        BATUCADA_ASSIGN_OR_RETURN(node.otherwise, ParseBlockUntil("endif"));
      } else {
        tokens_.Take();
      }
      statement.node = std::move(node);
      return statement;
    }
  }

  Result ParseFor(Statement statement) {
    For node;
    BATUCADA_ASSIGN_OR_RETURN(node.target, ParseTarget("in", Members::kNotAllowed));
    BATUCADA_RETURN_IF_ERROR(tokens_.ExpectName("in"));
    BATUCADA_ASSIGN_OR_RETURN(node.iterable, expressions_.ParseTuple(Conditionals::kNotAllowed, "recursive"));
    if (tokens_.TakeName("if")) {
      BATUCADA_ASSIGN_OR_RETURN(node.filter, expressions_.Parse());
    }
    if (tokens_.TakeName("recursive")) node.recursion = Recursion::kRecursive;
    BATUCADA_RETURN_IF_ERROR(ExpectTagEnd());
    {
      const DepthGuard loop(&loops_);
      BATUCADA_ASSIGN_OR_RETURN(node.body.statements, ParseBlock({"else", "endfor"}));
    }
    if (tokens_.TakeName("else")) {
      BATUCADA_ASSIGN_OR_RETURN(node.otherwise.statements, ParseBlockUntil("endfor"));
    } else {
      tokens_.Take();
    }
    statement.node = std::move(node);
    return statement;
  }

  Result ParseSet(Statement statement) {
    BATUCADA_ASSIGN_OR_RETURN(Target target, ParseTarget("", Members::kAllowed));
    if (tokens_.TakeOperator("=")) {
      BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr value, expressions_.ParseTuple());
      statement.node = Set{.target = std::move(target), .value = std::move(value)};
      return statement;
    }
    SetBlock node = {.target = std::move(target)};
    BATUCADA_ASSIGN_OR_RETURN(node.filter, expressions_.ParseFilters(nullptr));
    BATUCADA_ASSIGN_OR_RETURN(node.body.statements, ParseBlockUntil("endset"));
    statement.node = std::move(node);
    return statement;
  }

  Result ParseMacro(Statement statement) {
    MacroDefinition node;
    if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected("the name of the macro");
    node.macro.name = tokens_.Take().text;
    BATUCADA_RETURN_IF_ERROR(ParseParameters(&node.macro));
    BATUCADA_RETURN_IF_ERROR(ParseMacroBody("endmacro", &node.macro));
    statement.node = std::move(node);
    return statement;
  }

  Result ParseCallBlock(Statement statement) {
    CallBlock node = {.caller = {.name = "caller"}};
    if (tokens_.AtOperator("(")) BATUCADA_RETURN_IF_ERROR(ParseParameters(&node.caller));
    const SourceLocation where = tokens_.where();
    BATUCADA_ASSIGN_OR_RETURN(node.call, expressions_.Parse());
    if (!std::holds_alternative<CallOf>(node.call->node)) return SyntaxError(where, "expected a call");
    BATUCADA_RETURN_IF_ERROR(ParseMacroBody("endcall", &node.caller));
    statement.node = std::move(node);
    return statement;
  }

  absl::Status ParseParameters(MacroBody* macro) {
    BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator("("));
    bool has_fallbacks = false;
    while (!tokens_.AtOperator(")")) {
      if (!macro->parameters.empty()) BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
      const SourceLocation where = tokens_.where();
      if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected("the name of a parameter");
      MacroBody::Parameter parameter = {.name = tokens_.Take().text};
      if (IsConstant(parameter.name)) return SyntaxError(where, Concat("can't assign to '", parameter.name, "'"));
      const auto has_name = [&](const MacroBody::Parameter& other) { return other.name == parameter.name; };
      if (std::any_of(macro->parameters.begin(), macro->parameters.end(), has_name)) {
        return SyntaxError(where, Concat("a second parameter '", parameter.name, "'"));
      }
      if (tokens_.TakeOperator("=")) {
        BATUCADA_ASSIGN_OR_RETURN(parameter.fallback, expressions_.Parse());
        has_fallbacks = true;
      } else if (has_fallbacks) {
        return SyntaxError(where, "a parameter without a default follows one that has one");
      }
      macro->parameters.push_back(std::move(parameter));
    }
    tokens_.Take();
    return absl::OkStatus();
  }

  absl::Status ParseMacroBody(std::string_view end, MacroBody* macro) {
    SpecialNames names;
    expressions_.PushSpecialNames(&names);
    const int loops_around = std::exchange(loops_, 0);  // a loop around a macro is none of its own
    absl::StatusOr<Block> body = ParseBlockUntil(end);
    loops_ = loops_around;
    expressions_.PopSpecialNames();
    if (!body.ok()) return body.status();
    macro->body.statements = *std::move(body);
    macro->uses_varargs = names.varargs;
    macro->uses_kwargs = names.kwargs;
    macro->uses_caller = names.caller;
    return absl::OkStatus();
  }

  Result ParseFilterBlock(Statement statement) {
    FilterBlock node;
    BATUCADA_ASSIGN_OR_RETURN(node.filter, expressions_.ParseFiltersFromName(nullptr));
    BATUCADA_ASSIGN_OR_RETURN(node.body.statements, ParseBlockUntil("endfilter"));
    statement.node = std::move(node);
    return statement;
  }

  Result ParseWith(Statement statement) {
    With node;
    while (!tokens_.At(TokenKind::kBlockEnd)) {
      if (!node.assignments.empty()) BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
      BATUCADA_ASSIGN_OR_RETURN(Target target, ParseSingleTarget(Members::kNotAllowed));
      BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator("="));
      BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr value, expressions_.Parse());
      node.assignments.emplace_back(std::move(target), std::move(value));
    }
    BATUCADA_ASSIGN_OR_RETURN(node.body.statements, ParseBlockUntil("endwith"));
    statement.node = std::move(node);
    return statement;
  }

  Result ParseGeneration(Statement statement) {
    Generation node;
    const int loops_around = std::exchange(loops_, 0);  // jinja2 makes it a function of its own
    absl::StatusOr<Block> body = ParseBlockUntil("endgeneration");
    loops_ = loops_around;
    if (!body.ok()) return body.status();
    node.body.statements = *std::move(body);
    statement.node = std::move(node);
    return statement;
  }

  Result ParsePrint(Statement statement) {
    Concatenation all;
    while (!tokens_.At(TokenKind::kBlockEnd)) {
      if (!all.parts.empty()) BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator(","));
      BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr value, expressions_.Parse());
      all.parts.push_back(std::move(value));
    }
    BATUCADA_ASSIGN_OR_RETURN(ExpressionPtr value, MakeExpression(statement.where, std::move(all)));
    statement.node = Print{std::move(value)};
    return statement;
  }

  enum class Members : uint8_t { kAllowed, kNotAllowed };

  // One target or several with commas. `end_name`: the word behind them.
  absl::StatusOr<Target> ParseTarget(std::string_view end_name, Members members) {
    const SourceLocation where = tokens_.where();
    BATUCADA_ASSIGN_OR_RETURN(Target first, ParseSingleTarget(members));
    if (!tokens_.AtOperator(",")) return first;
    Target tuple = {.where = where, .kind = Target::Kind::kTuple};
    tuple.parts.push_back(std::move(first));
    while (tokens_.TakeOperator(",")) {
      const bool at_end = tokens_.At(TokenKind::kBlockEnd) || tokens_.AtOperator(")") || tokens_.AtOperator("=") ||
                          (!end_name.empty() && tokens_.AtName(end_name));
      if (at_end) break;
      BATUCADA_ASSIGN_OR_RETURN(Target part, ParseSingleTarget(members));
      tuple.parts.push_back(std::move(part));
    }
    return tuple;
  }

  absl::StatusOr<Target> ParseSingleTarget(Members members) {
    const DepthGuard guard(&depth_);
    const SourceLocation where = tokens_.where();
    if (depth_ > kMaxSyntaxDepth) return SyntaxError(where, "the target of this assignment nests too deep");
    if (tokens_.TakeOperator("(")) {
      BATUCADA_ASSIGN_OR_RETURN(Target inner, ParseTarget("", members));
      BATUCADA_RETURN_IF_ERROR(tokens_.ExpectOperator(")"));
      return inner;
    }
    if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected("a name to assign to");
    Target target = {.where = where, .name = tokens_.Take().text};
    if (IsConstant(target.name)) return SyntaxError(where, Concat("can't assign to '", target.name, "'"));
    if (members == Members::kNotAllowed || !tokens_.TakeOperator(".")) return target;
    if (!tokens_.At(TokenKind::kName)) return tokens_.Unexpected("the name of an attribute");
    target.kind = Target::Kind::kMember;
    target.member = tokens_.Take().text;
    return target;
  }

  TokenStream tokens_;
  ExpressionParser expressions_;
  int depth_ = 0;
  int loops_ = 0;  // around the current statement
};

}  // namespace

absl::StatusOr<Body> ParseTemplate(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    return absl::InvalidArgumentError(
        Concat("the template has ", source.size(), " bytes, more than the ", kMaxSourceBytes, " allowed"));
  }
  BATUCADA_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens)).Run();
}

}  // namespace batucada::jinja
