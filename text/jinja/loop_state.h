// The variable `loop` of a for loop.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "text/jinja/ast.h"
#include "text/jinja/callable.h"
#include "text/jinja/runtime.h"
#include "text/jinja/scope.h"

namespace batucada::jinja {

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
