// Macros and the blocks that call them.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/repr.h"

namespace batucada::jinja {
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
