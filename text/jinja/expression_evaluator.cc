// Expressions.
#include "text/jinja/evaluator.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/builtins.h"
#include "text/jinja/runtime.h"
#include "text/jinja/serialize.h"

namespace batucada::jinja {
namespace {

// Functions and methods that Python or jinja2 has, and this interpreter has not: said when one is called.
absl::Status CheckSupported(const Expression& callee) {
  static constexpr std::array<std::string_view, 4> kFunctions = {"cycler", "lipsum", "self", "super"};
  if (const auto* name = std::get_if<Name>(&callee.node)) {
    if (std::find(kFunctions.begin(), kFunctions.end(), name->name) != kFunctions.end()) {
      return absl::InvalidArgumentError(Concat("the function '", name->name, "' is not supported"));
    }
  }
  if (const auto* attribute = std::get_if<AttributeOf>(&callee.node)) {
    if (IsUnsupportedMethod(attribute->name)) {
      return absl::InvalidArgumentError(Concat("the method '", attribute->name, "' is not supported"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Value> Evaluator::Evaluate(const Expression& expression) {
  const DepthGuard guard(&depth_);
  absl::Status allowed = CheckDepth();
  if (allowed.ok()) allowed = runtime_.Step();
  Result result = allowed.ok() ? std::visit([this](const auto& node) { return Eval(node); }, expression.node)
                               : Result(std::move(allowed));
  if (!result.ok() && !failed_at_.has_value()) failed_at_ = expression.where;
  return result;
}

absl::StatusOr<Value> Evaluator::Eval(const Literal& node) { return node.value; }

absl::StatusOr<Value> Evaluator::Eval(const Name& node) {
  if (const Value* value = scope_->Find(node.name)) return *value;
  return Value::Undefined(Concat(ShortRepr(node.name), " is undefined"));
}

absl::StatusOr<Value> Evaluator::Eval(const AttributeOf& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value object, Evaluate(*node.object));
  return GetAttribute(runtime_, object, node.name);
}

absl::StatusOr<Value> Evaluator::Eval(const ItemOf& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value object, Evaluate(*node.object));
  BATUCADA_ASSIGN_OR_RETURN(const Value index, Evaluate(*node.index));
  return GetItem(runtime_, object, index);
}

absl::StatusOr<Value> Evaluator::Eval(const SliceOf& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value object, Evaluate(*node.object));
  Value bounds[3];
  const ExpressionPtr* parts[] = {&node.start, &node.stop, &node.step};
  for (size_t i = 0; i < 3; ++i) {
    if (*parts[i] == nullptr) continue;
    BATUCADA_ASSIGN_OR_RETURN(bounds[i], Evaluate(**parts[i]));
  }
  return GetSlice(runtime_, object, bounds[0], bounds[1], bounds[2]);
}

absl::StatusOr<Arguments> Evaluator::EvaluateArguments(const ArgumentList& list) {
  Arguments arguments;
  for (const ExpressionPtr& expression : list.positional) {
    BATUCADA_ASSIGN_OR_RETURN(Value value, Evaluate(*expression));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, expression] : list.keyword) {
    if (arguments.FindKeyword(name) != nullptr) {
      return absl::InvalidArgumentError(Concat("keyword argument repeated: ", name));
    }
    BATUCADA_ASSIGN_OR_RETURN(Value value, Evaluate(*expression));
    arguments.keyword.emplace_back(name, std::move(value));
  }
  if (list.more_positional != nullptr) {
    BATUCADA_ASSIGN_OR_RETURN(const Value more, Evaluate(*list.more_positional));
    BATUCADA_ASSIGN_OR_RETURN(const auto items, Iterate(runtime_, more));
    BATUCADA_RETURN_IF_ERROR(runtime_.Step(static_cast<int64_t>(items->items.size() / 8)));
    BATUCADA_RETURN_IF_ERROR(runtime_.Allocate(items->items.size() * sizeof(Value)));
    arguments.positional.insert(arguments.positional.end(), items->items.begin(), items->items.end());
  }
  if (list.more_keyword != nullptr) {
    BATUCADA_ASSIGN_OR_RETURN(const Value more, Evaluate(*list.more_keyword));
    if (!more.Is(Kind::kDict)) return absl::InvalidArgumentError("the argument after ** must be a mapping");
    absl::flat_hash_set<std::string> names;
    for (const auto& [name, value] : arguments.keyword) names.insert(name);
    for (const auto& [key, value] : more.dict().entries()) {
      BATUCADA_RETURN_IF_ERROR(runtime_.Step());
      if (!key.Is(Kind::kString)) return absl::InvalidArgumentError("keywords must be strings");
      BATUCADA_RETURN_IF_ERROR(runtime_.AllocateString(2 * key.text().size() + sizeof(Value)));
      if (!names.insert(key.text()).second) {
        return absl::InvalidArgumentError(Concat("two values for keyword argument ", ShortRepr(key.text())));
      }
      arguments.keyword.emplace_back(key.text(), value);
    }
  }
  return arguments;
}

absl::StatusOr<Value> Evaluator::Call(const CallOf& node, std::optional<Value> caller) {
  BATUCADA_ASSIGN_OR_RETURN(const Value callee, Evaluate(*node.callee));
  BATUCADA_ASSIGN_OR_RETURN(Arguments arguments, EvaluateArguments(node.arguments));
  if (caller.has_value()) arguments.keyword.emplace_back("caller", *std::move(caller));
  if (callee.Is(Kind::kUndefined)) {
    BATUCADA_RETURN_IF_ERROR(CheckSupported(*node.callee));
    return UndefinedError(callee);
  }
  if (!callee.Is(Kind::kCallable)) {
    return absl::InvalidArgumentError(Concat("'", callee.TypeName(), "' object is not callable"));
  }
  return callee.callable().Call(runtime_, arguments);
}

absl::StatusOr<Value> Evaluator::Eval(const CallOf& node) { return Call(node, std::nullopt); }

absl::StatusOr<Value> Evaluator::Eval(const Filtered& node) {
  Value input = filter_input_;
  if (node.input != nullptr) {
    BATUCADA_ASSIGN_OR_RETURN(input, Evaluate(*node.input));
  }
  if (node.filter == nullptr) return NoFilter(node.name);
  BATUCADA_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(node.arguments));
  return node.filter->apply(runtime_, input, arguments);
}

absl::StatusOr<Value> Evaluator::Eval(const Tested& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value value, Evaluate(*node.input));
  if (node.test == nullptr) return NoTest(node.name);
  BATUCADA_ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(node.arguments));
  BATUCADA_ASSIGN_OR_RETURN(const bool passes, node.test->apply(runtime_, value, arguments));
  return Value::Bool(passes);
}

absl::StatusOr<Value> Evaluator::Eval(const Unary& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value operand, Evaluate(*node.operand));
  switch (node.op) {
    case UnaryOperator::kNot: return Value::Bool(!operand.Truth());
    case UnaryOperator::kNegate: return Negate(operand);
    case UnaryOperator::kPlus: return UnaryPlus(operand);
  }
  return operand;
}

absl::StatusOr<Value> Evaluator::Eval(const Binary& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value left, Evaluate(*node.left));
  BATUCADA_ASSIGN_OR_RETURN(const Value right, Evaluate(*node.right));
  return Apply(runtime_, node.op, left, right);
}

absl::StatusOr<Value> Evaluator::Eval(const Logical& node) {
  BATUCADA_ASSIGN_OR_RETURN(Value left, Evaluate(*node.left));
  if (left.Truth() == (node.op == LogicalOperator::kOr)) return left;
  return Evaluate(*node.right);
}

absl::StatusOr<Value> Evaluator::Eval(const ComparisonChain& node) {
  BATUCADA_ASSIGN_OR_RETURN(Value left, Evaluate(*node.first));
  for (const auto& [op, operand] : node.rest) {
    BATUCADA_ASSIGN_OR_RETURN(Value right, Evaluate(*operand));
    BATUCADA_ASSIGN_OR_RETURN(const bool holds, Compare(runtime_, op, left, right));
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

absl::StatusOr<Value> Evaluator::Eval(const Concatenation& node) {
  TextBuilder text(&runtime_);
  for (const ExpressionPtr& part : node.parts) {
    BATUCADA_ASSIGN_OR_RETURN(const Value value, Evaluate(*part));
    BATUCADA_RETURN_IF_ERROR(AppendStr(value, &text));
  }
  return runtime_.String(text.text());
}

absl::StatusOr<Value> Evaluator::Eval(const Conditional& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value test, Evaluate(*node.test));
  if (test.Truth()) return Evaluate(*node.then);
  if (node.otherwise != nullptr) return Evaluate(*node.otherwise);
  return Value::Undefined("the inline if-expression evaluated to false and no else section was defined.");
}

absl::StatusOr<Value> Evaluator::Eval(const SequenceDisplay& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExpressionPtr& expression : node.items) {
    BATUCADA_ASSIGN_OR_RETURN(Value item, Evaluate(*expression));
    items.push_back(std::move(item));
  }
  return runtime_.Sequence(node.kind, std::move(items));
}

absl::StatusOr<Value> Evaluator::Eval(const DictDisplay& node) {
  Dict dict;
  for (const auto& [key_expression, value_expression] : node.entries) {
    BATUCADA_ASSIGN_OR_RETURN(Value key, Evaluate(*key_expression));
    BATUCADA_ASSIGN_OR_RETURN(Value value, Evaluate(*value_expression));
    if (!Dict::IsKey(key)) {
      return absl::InvalidArgumentError(Concat("a ", key.TypeName(), " cannot be the key of a dict"));
    }
    dict.Set(std::move(key), std::move(value));
  }
  return runtime_.OwnDict(std::move(dict));
}

namespace {

class Macro : public Callable {
 public:
  // REQUIRES: evaluator and body outlive this.
  Macro(Evaluator* evaluator, const MacroBody& body, std::shared_ptr<Scope> closure)
      : evaluator_(*evaluator), body_(body), closure_(std::move(closure)) {}

  absl::StatusOr<Value> Call(Runtime&, const Arguments& arguments) override {
    return evaluator_.CallMacro(body_, closure_, arguments);
  }

  absl::StatusOr<std::optional<Value>> Attribute(std::string_view name) override {
    if (name == "name") return std::optional<Value>(Value::String(body_.name));
    return std::optional<Value>();
  }

  std::string_view TypeName() const override { return "Macro"; }

 private:
  Evaluator& evaluator_;
  const MacroBody& body_;
  const std::shared_ptr<Scope> closure_;
};

bool HasParameter(const MacroBody& macro, std::string_view name) {
  return std::any_of(macro.parameters.begin(), macro.parameters.end(),
                     [&](const MacroBody::Parameter& parameter) { return parameter.name == name; });
}

}  // namespace

Value Evaluator::MakeMacro(const MacroBody& macro) {
  if (captured_scopes_.empty() || captured_scopes_.back() != scope_) captured_scopes_.push_back(scope_);
  return Value::Of(std::make_shared<Macro>(this, macro, scope_));
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const MacroDefinition& node) {
  scope_->variables[node.macro.name] = MakeMacro(node.macro);
  return Flow::kNext;
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const CallBlock& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value text, Call(std::get<CallOf>(node.call->node), MakeMacro(node.caller)));
  BATUCADA_RETURN_IF_ERROR(AppendStr(text, out_));
  return Flow::kNext;
}

absl::StatusOr<Value> Evaluator::CallMacro(const MacroBody& macro, const std::shared_ptr<Scope>& closure,
                                           const Arguments& arguments) {
  std::shared_ptr<Scope> scope = NewScope(macro.body, closure);
  TextBuilder text(&runtime_);
  TextBuilder* out = &text;
  scope_.swap(scope);
  std::swap(out_, out);
  absl::Status status = BindParameters(macro, arguments);
  if (status.ok()) status = Execute(macro.body.statements).status();
  scope_.swap(scope);
  std::swap(out_, out);
  BATUCADA_RETURN_IF_ERROR(status);
  return runtime_.String(text.text());
}

absl::Status Evaluator::BindParameters(const MacroBody& macro, const Arguments& arguments) {
  Scope& scope = *scope_;
  std::vector<bool> keyword_used(arguments.keyword.size(), false);
  const auto take_keyword = [&](std::string_view name) -> const Value* {
    for (size_t i = 0; i < arguments.keyword.size(); ++i) {
      if (arguments.keyword[i].first != name) continue;
      keyword_used[i] = true;
      return &arguments.keyword[i].second;
    }
    return nullptr;
  };

  // First what is given, then the defaults in their order, which may speak of it.
  std::vector<const MacroBody::Parameter*> missing;
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const MacroBody::Parameter& parameter = macro.parameters[i];
    BATUCADA_RETURN_IF_ERROR(runtime_.Step(1 + static_cast<int64_t>(arguments.keyword.size() / 8)));
    const Value* given = i < arguments.positional.size() ? &arguments.positional[i] : take_keyword(parameter.name);
    if (given == nullptr) missing.push_back(&parameter);
    scope.variables[parameter.name] =
        given != nullptr ? *given
                         : Value::Undefined(Concat("parameter ", ShortRepr(parameter.name), " was not provided"));
  }
  for (const MacroBody::Parameter* parameter : missing) {
    if (parameter->fallback == nullptr) continue;
    BATUCADA_ASSIGN_OR_RETURN(Value value, Evaluate(*parameter->fallback));
    scope.variables[parameter->name] = std::move(value);
  }

  if (macro.uses_caller && !HasParameter(macro, "caller")) {
    const Value* caller = take_keyword("caller");
    scope.variables["caller"] = caller != nullptr ? *caller : Value::Undefined("No caller defined");
  }
  Dict rest;
  for (size_t i = 0; i < arguments.keyword.size(); ++i) {
    if (!keyword_used[i]) rest.Set(Value::String(arguments.keyword[i].first), arguments.keyword[i].second);
  }
  if (macro.uses_kwargs && !HasParameter(macro, "kwargs")) {
    BATUCADA_ASSIGN_OR_RETURN(scope.variables["kwargs"], runtime_.OwnDict(std::move(rest)));
  } else if (!rest.entries().empty()) {
    return absl::InvalidArgumentError(
        Concat("macro '", macro.name, "' takes no keyword argument ", ShortRepr(rest.entries().front().first.text())));
  }
  BATUCADA_RETURN_IF_ERROR(runtime_.Step(static_cast<int64_t>(arguments.positional.size() / 8)));
  const size_t by_place = std::min(arguments.positional.size(), macro.parameters.size());
  std::vector<Value> surplus(arguments.positional.begin() + static_cast<std::ptrdiff_t>(by_place),
                             arguments.positional.end());
  if (macro.uses_varargs && !HasParameter(macro, "varargs")) {
    BATUCADA_ASSIGN_OR_RETURN(scope.variables["varargs"], runtime_.Tuple(std::move(surplus)));
  } else if (!surplus.empty()) {
    return absl::InvalidArgumentError(
        Concat("macro '", macro.name, "' takes not more than ", macro.parameters.size(), " argument(s)"));
  }
  return absl::OkStatus();
}

}  // namespace batucada::jinja
