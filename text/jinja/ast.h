// A parsed template, and what can be seen in one without running it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strings.h"
#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

// A place in a template's source, and errors that begin with one.

struct SourceLocation {
  int line = 1;
  int column = 1;  // in characters
};

inline std::string Describe(SourceLocation where) { return Concat("line ", where.line, ", column ", where.column); }

// The template is wrong: INVALID_ARGUMENT.
inline absl::Status SyntaxError(SourceLocation where, std::string_view what) {
  return absl::InvalidArgumentError(Concat(Describe(where), ": ", what));
}

// The template is right, but asks for what this interpreter does not do: UNIMPLEMENTED.
inline absl::Status UnsupportedError(SourceLocation where, std::string_view what) {
  return absl::UnimplementedError(Concat(Describe(where), ": ", what));
}

// A parsed template: plain data, made by the parser and walked by the evaluator.

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

struct Literal {
  Value value;  // none, a bool, a number or a string
};
struct Name {
  std::string name;
};
struct AttributeOf {  // object.name
  ExpressionPtr object;
  std::string name;
};
struct ItemOf {  // object[index]
  ExpressionPtr object;
  ExpressionPtr index;
};
struct SliceOf {  // object[start:stop:step]; null where left out
  ExpressionPtr object;
  ExpressionPtr start, stop, step;
};
struct ArgumentList {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> keyword;
  ExpressionPtr more_positional;  // *expression, or null
  ExpressionPtr more_keyword;     // **expression, or null
};
struct CallOf {
  ExpressionPtr callee;
  ArgumentList arguments;
};
struct Filtered {
  ExpressionPtr input;  // null: the text of the block that the filter is for
  std::string name;
  const Filter* filter = nullptr;  // null: there is none of that name, which matters once it is asked for
  ArgumentList arguments;
};
struct Tested {
  ExpressionPtr input;
  std::string name;
  const Test* test = nullptr;  // null: likewise
  ArgumentList arguments;
};
enum class UnaryOperator : uint8_t { kNot, kNegate, kPlus };
struct Unary {
  UnaryOperator op = UnaryOperator::kNot;
  ExpressionPtr operand;
};
struct Binary {
  BinaryOperator op = BinaryOperator::kAdd;
  ExpressionPtr left, right;
};
enum class LogicalOperator : uint8_t { kAnd, kOr };
struct Logical {
  LogicalOperator op = LogicalOperator::kAnd;
  ExpressionPtr left, right;
};
struct ComparisonChain {  // a < b <= c
  ExpressionPtr first;
  std::vector<std::pair<ComparisonOperator, ExpressionPtr>> rest;
};
struct Concatenation {  // a ~ b ~ c
  std::vector<ExpressionPtr> parts;
};
struct Conditional {  // then if test else otherwise; otherwise may be null
  ExpressionPtr test, then, otherwise;
};
struct SequenceDisplay {  // [a, b] or (a, b)
  SequenceKind kind = SequenceKind::kList;
  std::vector<ExpressionPtr> items;
};
struct DictDisplay {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};

using ExpressionNode =
    std::variant<Literal, Name, AttributeOf, ItemOf, SliceOf, CallOf, Filtered, Tested, Unary, Binary, Logical,
                 ComparisonChain, Concatenation, Conditional, SequenceDisplay, DictDisplay>;

struct Expression {
  SourceLocation where;
  int height = 1;  // one more than that of the highest part
  ExpressionNode node;
};

// Calls `see` with each part of an expression, null ones included, in their order.
void ForEachPart(const ExpressionNode& node, const std::function<void(const ExpressionPtr&)>& see);

// INVALID_ARGUMENT if it nests too deep. Chains such as a + b + c nest to the left: the parser does not recurse for
// them, but the evaluator does.
[[nodiscard]] absl::StatusOr<ExpressionPtr> MakeExpression(SourceLocation where, ExpressionNode node);

struct Statement;
using Block = std::vector<Statement>;

// A block with a scope of its own.
struct Body {
  Block statements;
  // Names that the body assigns before it reads them, each with an undefined value: until they are assigned, blocks
  // inside see this and not what is around the body (below).
  std::vector<std::pair<std::string, Value>> late_names;
};

// What an assignment writes to: a name, an attribute of a namespace, or several of them.
struct Target {
  enum class Kind : uint8_t { kName, kMember, kTuple };

  SourceLocation where;
  Kind kind = Kind::kName;
  std::string name;
  std::string member;
  std::vector<Target> parts;
};

struct Text {
  std::string text;
};
struct Print {
  ExpressionPtr value;
};
struct If {
  struct Branch {
    ExpressionPtr test;
    Block body;
  };
  std::vector<Branch> branches;
  Block otherwise;
};
enum class Recursion : uint8_t { kNone, kRecursive };
struct For {
  Target target;
  ExpressionPtr iterable;
  ExpressionPtr filter;  // or null
  Recursion recursion = Recursion::kNone;
  Body body;
  Body otherwise;
};
struct Set {
  Target target;
  ExpressionPtr value;
};
struct SetBlock {
  Target target;
  ExpressionPtr filter;  // or null
  Body body;
};
struct MacroBody {
  struct Parameter {
    std::string name;
    ExpressionPtr fallback;  // or null
  };
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  // Which of the special names the body mentions: without them, surplus arguments are errors.
  bool uses_varargs = false;
  bool uses_kwargs = false;
  bool uses_caller = false;
};
struct MacroDefinition {
  MacroBody macro;
};
struct CallBlock {
  MacroBody caller;
  ExpressionPtr call;  // a CallOf
};
struct FilterBlock {
  ExpressionPtr filter;
  Body body;
};
struct With {
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Body body;
};
struct Generation {  // marks what the assistant says, for training; prints its body
  Body body;
};
struct Break {};
struct Continue {};

struct Statement {
  SourceLocation where;
  std::variant<Text, Print, If, For, Set, SetBlock, MacroDefinition, CallBlock, FilterBlock, With, Generation, Break,
               Continue>
      node;
};

// jinja2 decides while it compiles what a name means in each scope, and some templates lean on the consequences.
//
// A name that a scope assigns before it reads it, and that no scope around it mentions, is the scope's own from its
// beginning: blocks inside that read it earlier see it undefined, even where the caller gave a variable of that name.
// {% for m in messages %}{{ tools }}{% endfor %}{% set tools = 1 %} prints nothing. An assignment inside an `if` is no
// such thing.

// Fills in the late names of `body` and of all bodies inside.
void FindLateNames(Body* body);

}  // namespace batucada::jinja
