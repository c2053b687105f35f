// Statements; expressions and macros are in expression_evaluator.cc.
#include "text/jinja/evaluator.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"
#include "text/jinja/serialize.h"

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

namespace {

class LoopMethod : public Callable {
 public:
  using Function = absl::StatusOr<Value> (LoopState::*)(const Arguments& arguments);

  LoopMethod(std::shared_ptr<LoopState> loop, Function function)
      : Callable(loop->depth() + 1), loop_(std::move(loop)), function_(function) {}

  absl::StatusOr<Value> Call(Runtime&, const Arguments& arguments) override { return ((*loop_).*function_)(arguments); }

 private:
  const std::shared_ptr<LoopState> loop_;
  const Function function_;
};

}  // namespace

LoopState::LoopState(Evaluator* evaluator, Runtime* runtime, const For& loop, std::weak_ptr<Scope> outer,
                     std::shared_ptr<const Sequence> items, int recursion)
    : Callable(items->depth + 1), evaluator_(*evaluator), runtime_(*runtime), loop_(loop), outer_(std::move(outer)),
      items_(std::move(items)), filtered_(loop.filter != nullptr), recursion_(recursion) {}

absl::StatusOr<std::optional<Value>> LoopState::Fetch() {
  while (position_ < items_->items.size()) {
    BATUCADA_RETURN_IF_ERROR(runtime_.Step());
    const Value& item = items_->items[position_++];
    if (!filtered_) return item;
    const std::shared_ptr<Scope> outer = outer_.lock();
    if (outer == nullptr) return absl::InvalidArgumentError("a loop is used after its end");
    BATUCADA_ASSIGN_OR_RETURN(const bool passes, evaluator_.PassesLoopFilter(loop_, outer, item));
    if (passes) return item;
  }
  return std::optional<Value>();
}

absl::StatusOr<std::optional<Value>> LoopState::Advance() {
  std::optional<Value> next = std::exchange(after_, std::nullopt);
  if (!next.has_value()) {
    BATUCADA_ASSIGN_OR_RETURN(next, Fetch());
  }
  if (!next.has_value()) return next;
  ++index_;
  before_ = std::exchange(current_, next);
  return next;
}

absl::StatusOr<bool> LoopState::HasNext() {
  if (!after_.has_value()) {
    BATUCADA_ASSIGN_OR_RETURN(after_, Fetch());
  }
  return after_.has_value();
}

absl::StatusOr<int64_t> LoopState::Length() {
  if (length_.has_value()) return *length_;
  if (!filtered_) {
    length_ = static_cast<int64_t>(items_->items.size());
    return *length_;
  }
  // Nobody knows before all have been through the filter.
  std::vector<Value> rest;
  while (true) {
    BATUCADA_ASSIGN_OR_RETURN(const std::optional<Value> item, Fetch());
    if (!item.has_value()) break;
    rest.push_back(*item);
  }
  length_ = static_cast<int64_t>(rest.size()) + index_ + 1 + (after_.has_value() ? 1 : 0);
  BATUCADA_ASSIGN_OR_RETURN(const Value list, runtime_.List(std::move(rest)));
  items_ = list.sequence();
  position_ = 0;
  filtered_ = false;
  return *length_;
}

absl::StatusOr<std::optional<Value>> LoopState::Attribute(std::string_view name) {
  const auto integer = [](int64_t value) { return std::optional<Value>(Value::Int(value)); };
  if (name == "index") return integer(index_ + 1);
  if (name == "index0") return integer(index_);
  if (name == "first") return std::optional<Value>(Value::Bool(index_ == 0));
  if (name == "depth") return integer(recursion_ + 1);
  if (name == "depth0") return integer(recursion_);
  if (name == "last" || name == "nextitem") {
    BATUCADA_ASSIGN_OR_RETURN(const bool has_next, HasNext());
    if (name == "last") return std::optional<Value>(Value::Bool(!has_next));
    return has_next ? after_ : std::optional<Value>(Value::Undefined("there is no next item"));
  }
  if (name == "previtem") {
    return index_ == 0 ? std::optional<Value>(Value::Undefined("there is no previous item")) : before_;
  }
  if (name == "length" || name == "revindex" || name == "revindex0") {
    BATUCADA_ASSIGN_OR_RETURN(const int64_t length, Length());
    if (name == "length") return integer(length);
    return integer(length - index_ - (name == "revindex0" ? 1 : 0));
  }
  if (name != "cycle" && name != "changed") return std::optional<Value>();
  BATUCADA_RETURN_IF_ERROR(Runtime::CheckDepth(depth() + 1));
  const LoopMethod::Function function = name == "cycle" ? &LoopState::Cycle : &LoopState::Changed;
  return std::optional<Value>(Value::Of(std::make_shared<LoopMethod>(shared_from_this(), function)));
}

absl::StatusOr<Value> LoopState::Call(Runtime&, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("loop", arguments, {"iterable"}, 1));
  if (loop_.recursion != Recursion::kRecursive) {
    return absl::InvalidArgumentError("The loop must have the 'recursive' marker to be called recursively.");
  }
  const std::shared_ptr<Scope> outer = outer_.lock();
  if (outer == nullptr) return absl::InvalidArgumentError("a loop is called after its end");
  return evaluator_.CallLoop(loop_, outer, *bound[0], recursion_ + 1);
}

absl::StatusOr<Value> LoopState::Cycle(const Arguments& arguments) {
  if (arguments.positional.empty()) return absl::InvalidArgumentError("no items for cycling given");
  return arguments.positional[static_cast<size_t>(index_) % arguments.positional.size()];
}

absl::StatusOr<Value> LoopState::Changed(const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const Value values, runtime_.Tuple(arguments.positional));
  if (last_changed_.has_value()) {
    BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime_, *last_changed_, values));
    if (equal) return Value::Bool(false);
  }
  last_changed_ = values;
  return Value::Bool(true);
}

}  // namespace batucada::jinja
