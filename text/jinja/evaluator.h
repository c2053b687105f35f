// Walks a parsed template and writes what it prints.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/jinja/ast.h"
#include "text/jinja/runtime.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

class LoopState;

// One rendering. Not thread-safe.
class Evaluator {
 public:
  // REQUIRES: all outlive the evaluator, which outlives every value it makes except what the runtime keeps.
  Evaluator(Runtime* runtime, std::shared_ptr<Scope> globals, TextBuilder* out);
  ~Evaluator();

  [[nodiscard]] absl::Status Run(const Body& body);

  [[nodiscard]] absl::StatusOr<Value> Evaluate(const Expression& expression);

  // The text that a macro prints for these arguments. Its body sees `closure`, the scope where it was defined.
  [[nodiscard]] absl::StatusOr<Value> CallMacro(const MacroBody& macro, const std::shared_ptr<Scope>& closure,
                                                const Arguments& arguments);

  // The text that a recursive loop prints for `iterable`.
  [[nodiscard]] absl::StatusOr<Value> CallLoop(const For& loop, const std::shared_ptr<Scope>& outer,
                                               const Value& iterable, int depth);

  // Whether an item passes the loop's `if`.
  [[nodiscard]] absl::StatusOr<bool> PassesLoopFilter(const For& loop, const std::shared_ptr<Scope>& outer,
                                                      const Value& item);

  // Where the template was when the first error happened.
  std::optional<SourceLocation> failed_at() const { return failed_at_; }

 private:
  enum class Flow : uint8_t { kNext, kBreak, kContinue };

  // Statements.
  absl::StatusOr<Flow> Execute(const Block& block);
  absl::StatusOr<Flow> ExecuteStatement(const Statement& statement);
  absl::StatusOr<Flow> Do(const Text& node);
  absl::StatusOr<Flow> Do(const Print& node);
  absl::StatusOr<Flow> Do(const If& node);
  absl::StatusOr<Flow> Do(const For& node);
  absl::StatusOr<Flow> Do(const Set& node);
  absl::StatusOr<Flow> Do(const SetBlock& node);
  absl::StatusOr<Flow> Do(const MacroDefinition& node);
  absl::StatusOr<Flow> Do(const CallBlock& node);
  absl::StatusOr<Flow> Do(const FilterBlock& node);
  absl::StatusOr<Flow> Do(const With& node);
  absl::StatusOr<Flow> Do(const Generation& node);
  absl::StatusOr<Flow> Do(const Break&) { return Flow::kBreak; }
  absl::StatusOr<Flow> Do(const Continue&) { return Flow::kContinue; }

  absl::StatusOr<Flow> RunLoop(const For& loop, const Value& iterable, int depth);
  absl::Status Assign(const Target& target, const Value& value);
  absl::Status BindParameters(const MacroBody& macro, const Arguments& arguments);
  Value MakeMacro(const MacroBody& macro);

  // A new scope for `body`. Its parent is `around`.
  std::shared_ptr<Scope> NewScope(const Body& body, std::shared_ptr<Scope> around);
  // Runs a block in a scope of its own.
  absl::StatusOr<Flow> ExecuteInScope(const Body& body);
  // What a block prints in a scope of its own, put through a filter, which may be null; nothing if it breaks off.
  struct Captured {
    Flow flow = Flow::kNext;
    Value text;
  };
  absl::StatusOr<Captured> Capture(const Body& body, const Expression* filter);

  // Expressions.
  using Result = absl::StatusOr<Value>;
  Result Eval(const Literal& node);
  Result Eval(const Name& node);
  Result Eval(const AttributeOf& node);
  Result Eval(const ItemOf& node);
  Result Eval(const SliceOf& node);
  Result Eval(const CallOf& node);
  Result Eval(const Filtered& node);
  Result Eval(const Tested& node);
  Result Eval(const Unary& node);
  Result Eval(const Binary& node);
  Result Eval(const Logical& node);
  Result Eval(const ComparisonChain& node);
  Result Eval(const Concatenation& node);
  Result Eval(const Conditional& node);
  Result Eval(const SequenceDisplay& node);
  Result Eval(const DictDisplay& node);

  absl::StatusOr<Arguments> EvaluateArguments(const ArgumentList& list);
  Result Call(const CallOf& node, std::optional<Value> caller);
  // INVALID_ARGUMENT if evaluation is too deep.
  absl::Status CheckDepth() const;

  Runtime& runtime_;
  std::shared_ptr<Scope> scope_;  // the innermost
  TextBuilder* out_;
  Value filter_input_;  // what a filter without an input of its own applies to
  int depth_ = 0;
  std::optional<SourceLocation> failed_at_;
  // Scopes that macros hold, which the scopes hold in turn. They are taken apart at the end.
  std::vector<std::shared_ptr<Scope>> captured_scopes_;
};

// The variable `loop` of a for loop.

class Evaluator;

// Walks the items that pass the loop's `if`, which is asked as late as possible: only when the next item, or whether
// there is one, is wanted. Not thread-safe.
class LoopState : public Callable, public std::enable_shared_from_this<LoopState> {
 public:
  // `outer` is the scope around the loop. REQUIRES: evaluator and loop outlive this.
  LoopState(Evaluator* evaluator, Runtime* runtime, const For& loop, std::weak_ptr<Scope> outer,
            std::shared_ptr<const Sequence> items, int recursion);

  // The next item, which becomes the current one; nothing at the end.
  [[nodiscard]] absl::StatusOr<std::optional<Value>> Advance();

  // loop(items): the loop's body again, for nested items.
  [[nodiscard]] absl::StatusOr<Value> Call(Runtime& runtime, const Arguments& arguments) override;
  [[nodiscard]] absl::StatusOr<std::optional<Value>> Attribute(std::string_view name) override;
  std::string_view TypeName() const override { return "LoopContext"; }

  // loop.cycle(a, b, …) and loop.changed(value, …).
  [[nodiscard]] absl::StatusOr<Value> Cycle(const Arguments& arguments);
  [[nodiscard]] absl::StatusOr<Value> Changed(const Arguments& arguments);

 private:
  // Takes items from items_ up to one that passes.
  absl::StatusOr<std::optional<Value>> Fetch();
  // Makes sure that what comes next, if anything, is in after_.
  absl::StatusOr<bool> HasNext();
  absl::StatusOr<int64_t> Length();

  Evaluator& evaluator_;
  Runtime& runtime_;
  const For& loop_;
  const std::weak_ptr<Scope> outer_;
  std::shared_ptr<const Sequence> items_;
  size_t position_ = 0;  // in items_
  bool filtered_;        // items_ still has to go through the loop's `if`
  const int recursion_;  // how deep, 0 for the outermost
  int64_t index_ = -1;   // of the current item
  std::optional<int64_t> length_;
  std::optional<Value> before_, current_, after_;
  std::optional<Value> last_changed_;
};

}  // namespace batucada::jinja
