#include "text/jinja/loop_state.h"

#include <array>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/comparison.h"
#include "text/jinja/evaluator.h"

namespace batucada::jinja {
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
