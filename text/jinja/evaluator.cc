// Statements; expressions are in expression_evaluator.cc, macros in macro.cc.
#include "text/jinja/evaluator.h"

#include <string>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/depth_guard.h"
#include "text/jinja/loop_state.h"
#include "text/jinja/repr.h"

namespace batucada::jinja {
namespace {

// Puts a variable back at the end.
template <typename T>
class Restore {
 public:
  explicit Restore(T* variable) : variable_(variable), saved_(*variable) {}
  ~Restore() { *variable_ = std::move(saved_); }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  T* const variable_;
  T saved_;
};

}  // namespace

Evaluator::Evaluator(Runtime* runtime, std::shared_ptr<Scope> globals, TextBuilder* out)
    : runtime_(*runtime), scope_(std::move(globals)), out_(out) {}

Evaluator::~Evaluator() {
  for (const std::shared_ptr<Scope>& scope : captured_scopes_) scope->variables.clear();
}

absl::Status Evaluator::Run(const Body& body) { return ExecuteInScope(body).status(); }

absl::Status Evaluator::CheckDepth() const {
  if (depth_ <= kMaxEvaluationDepth) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("the template recurses deeper than ", kMaxEvaluationDepth, " levels for this conversation"));
}

absl::StatusOr<Evaluator::Flow> Evaluator::Execute(const Block& block) {
  const DepthGuard guard(&depth_);
  BATUCADA_RETURN_IF_ERROR(CheckDepth());
  for (const Statement& statement : block) {
    BATUCADA_ASSIGN_OR_RETURN(const Flow flow, ExecuteStatement(statement));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

absl::StatusOr<Evaluator::Flow> Evaluator::ExecuteStatement(const Statement& statement) {
  BATUCADA_RETURN_IF_ERROR(runtime_.Step());
  absl::StatusOr<Flow> flow = std::visit([this](const auto& node) { return Do(node); }, statement.node);
  if (!flow.ok() && !failed_at_.has_value()) failed_at_ = statement.where;
  return flow;
}

std::shared_ptr<Scope> Evaluator::NewScope(const Body& body, std::shared_ptr<Scope> around) {
  runtime_.Note(kWorkPerStep + static_cast<int64_t>(body.late_names.size()) * kWorkPerStep);
  auto scope = std::make_shared<Scope>(std::move(around));
  for (const auto& [name, undefined] : body.late_names) scope->variables.emplace(name, undefined);
  return scope;
}

absl::StatusOr<Evaluator::Flow> Evaluator::ExecuteInScope(const Body& body) {
  const Restore scope(&scope_);
  scope_ = NewScope(body, scope_);
  return Execute(body.statements);
}

absl::StatusOr<Evaluator::Captured> Evaluator::Capture(const Body& body, const Expression* filter) {
  const Restore scope(&scope_);
  scope_ = NewScope(body, scope_);
  TextBuilder text(&runtime_);
  Captured captured;
  {
    const Restore out(&out_);
    out_ = &text;
    BATUCADA_ASSIGN_OR_RETURN(captured.flow, Execute(body.statements));
  }
  if (captured.flow != Flow::kNext) return captured;
  BATUCADA_ASSIGN_OR_RETURN(captured.text, runtime_.String(text.text()));
  if (filter == nullptr) return captured;
  const Restore input(&filter_input_);
  filter_input_ = captured.text;
  BATUCADA_ASSIGN_OR_RETURN(captured.text, Evaluate(*filter));
  return captured;
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const Text& node) {
  BATUCADA_RETURN_IF_ERROR(out_->Append(node.text));
  return Flow::kNext;
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const Print& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value value, Evaluate(*node.value));
  BATUCADA_RETURN_IF_ERROR(AppendStr(value, out_));
  return Flow::kNext;
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const If& node) {
  for (const If::Branch& branch : node.branches) {
    BATUCADA_ASSIGN_OR_RETURN(const Value test, Evaluate(*branch.test));
    if (test.Truth()) return Execute(branch.body);
  }
  return Execute(node.otherwise);
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const For& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value iterable, Evaluate(*node.iterable));
  return RunLoop(node, iterable, /*depth=*/0);
}

absl::StatusOr<Evaluator::Flow> Evaluator::RunLoop(const For& loop, const Value& iterable, int depth) {
  BATUCADA_ASSIGN_OR_RETURN(std::shared_ptr<const Sequence> items, Iterate(runtime_, iterable));
  BATUCADA_RETURN_IF_ERROR(Runtime::CheckDepth(items->depth + 1));
  const std::shared_ptr<Scope> outer = scope_;
  const Restore restore(&scope_);
  const auto state = std::make_shared<LoopState>(this, &runtime_, loop, outer, std::move(items), depth);
  // As in jinja2, `else` is for loops that never came to the end of their body, whether by `break` or by `continue`.
  bool completed = false;
  while (true) {
    BATUCADA_ASSIGN_OR_RETURN(const std::optional<Value> item, state->Advance());
    if (!item.has_value()) break;
    scope_ = NewScope(loop.body, outer);
    scope_->variables["loop"] = Value::Of(std::shared_ptr<Callable>(state));
    BATUCADA_RETURN_IF_ERROR(Assign(loop.target, *item));
    BATUCADA_ASSIGN_OR_RETURN(const Flow flow, Execute(loop.body.statements));
    completed |= flow == Flow::kNext;
    if (flow == Flow::kBreak) break;
  }
  scope_ = outer;
  if (completed) return Flow::kNext;
  return ExecuteInScope(loop.otherwise);
}

absl::StatusOr<Value> Evaluator::CallLoop(const For& loop, const std::shared_ptr<Scope>& outer, const Value& iterable,
                                          int depth) {
  const Restore scope(&scope_);
  const Restore out(&out_);
  TextBuilder text(&runtime_);
  scope_ = outer;
  out_ = &text;
  BATUCADA_RETURN_IF_ERROR(RunLoop(loop, iterable, depth).status());
  return runtime_.String(text.text());
}

absl::StatusOr<bool> Evaluator::PassesLoopFilter(const For& loop, const std::shared_ptr<Scope>& outer,
                                                 const Value& item) {
  const Restore scope(&scope_);
  scope_ = std::make_shared<Scope>(outer);
  BATUCADA_RETURN_IF_ERROR(Assign(loop.target, item));
  BATUCADA_ASSIGN_OR_RETURN(const Value passes, Evaluate(*loop.filter));
  return passes.Truth();
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const Set& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Value value, Evaluate(*node.value));
  BATUCADA_RETURN_IF_ERROR(Assign(node.target, value));
  return Flow::kNext;
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const SetBlock& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Captured captured, Capture(node.body, node.filter.get()));
  if (captured.flow == Flow::kNext) BATUCADA_RETURN_IF_ERROR(Assign(node.target, captured.text));
  return captured.flow;
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const FilterBlock& node) {
  BATUCADA_ASSIGN_OR_RETURN(const Captured captured, Capture(node.body, node.filter.get()));
  if (captured.flow == Flow::kNext) BATUCADA_RETURN_IF_ERROR(AppendStr(captured.text, out_));
  return captured.flow;
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const With& node) {
  const Restore restore(&scope_);
  const std::shared_ptr<Scope> outer = scope_;
  const auto inner = NewScope(node.body, outer);
  for (const auto& [target, expression] : node.assignments) {
    scope_ = outer;  // values see what is around the block only
    BATUCADA_ASSIGN_OR_RETURN(const Value value, Evaluate(*expression));
    scope_ = inner;
    BATUCADA_RETURN_IF_ERROR(Assign(target, value));
  }
  scope_ = inner;
  return Execute(node.body.statements);
}

absl::StatusOr<Evaluator::Flow> Evaluator::Do(const Generation& node) { return ExecuteInScope(node.body); }

absl::Status Evaluator::Assign(const Target& target, const Value& value) {
  switch (target.kind) {
    case Target::Kind::kName: scope_->variables[target.name] = value; return absl::OkStatus();
    case Target::Kind::kMember: {
      const Value* names = scope_->Find(target.name);
      if (names == nullptr || !names->Is(Kind::kNamespace)) {
        return absl::InvalidArgumentError("cannot assign attribute on non-namespace object");
      }
      return SetAttribute(runtime_, names->names(), target.member, value);
    }
    case Target::Kind::kTuple: break;
  }
  BATUCADA_ASSIGN_OR_RETURN(const auto items, Iterate(runtime_, value));
  if (items->items.size() != target.parts.size()) {
    return absl::InvalidArgumentError(
        Concat("cannot unpack ", items->items.size(), " values into ", target.parts.size(), " names"));
  }
  for (size_t i = 0; i < target.parts.size(); ++i) {
    BATUCADA_RETURN_IF_ERROR(Assign(target.parts[i], items->items[i]));
  }
  return absl::OkStatus();
}

}  // namespace batucada::jinja
