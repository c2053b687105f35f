#include "text/jinja/comparison.h"

#include <algorithm>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/characters.h"

namespace batucada::jinja {
namespace {

std::string_view Symbol(ComparisonOperator op) {
  switch (op) {
    case ComparisonOperator::kLess: return "<";
    case ComparisonOperator::kLessEqual: return "<=";
    case ComparisonOperator::kGreater: return ">";
    case ComparisonOperator::kGreaterEqual: return ">=";
    default: return "==";
  }
}

template <typename T>
bool Ordered(ComparisonOperator op, const T& a, const T& b) {
  switch (op) {
    case ComparisonOperator::kLess: return a < b;
    case ComparisonOperator::kLessEqual: return a <= b;
    case ComparisonOperator::kGreater: return a > b;
    case ComparisonOperator::kGreaterEqual: return a >= b;
    default: return a == b;
  }
}

// Exact for every integer and float where long double is wider than double.
long double Wide(const Value& number) {
  return number.is_integral() ? static_cast<long double>(number.integer()) : static_cast<long double>(number.real());
}

absl::StatusOr<bool> SequencesEqual(Runtime& runtime, const Sequence& a, const Sequence& b) {
  if (a.kind != b.kind || a.items.size() != b.items.size()) return false;
  // Views of values, and generators, are equal to themselves alone.
  if (a.kind == SequenceKind::kValues || a.kind == SequenceKind::kGenerator) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime, a.items[i], b.items[i]));
    if (!equal) return false;
  }
  return true;
}

absl::StatusOr<bool> DictsEqual(Runtime& runtime, const Dict& a, const Dict& b) {
  if (a.entries().size() != b.entries().size()) return false;
  for (const auto& [key, value] : a.entries()) {
    if (key.Is(Kind::kString)) BATUCADA_RETURN_IF_ERROR(runtime.StepOver(key.text()));
    const Value* other = b.Find(key);
    if (other == nullptr) return false;
    BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime, value, *other));
    if (!equal) return false;
  }
  return true;
}

absl::StatusOr<bool> Order(Runtime& runtime, ComparisonOperator op, const Value& left, const Value& right);

// Decided by the first elements that differ.
absl::StatusOr<bool> OrderSequences(Runtime& runtime, ComparisonOperator op, const std::vector<Value>& a,
                                    const std::vector<Value>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime, a[i], b[i]));
    if (!equal) return Order(runtime, op, a[i], b[i]);
  }
  return Ordered(op, a.size(), b.size());
}

absl::StatusOr<bool> Order(Runtime& runtime, ComparisonOperator op, const Value& left, const Value& right) {
  BATUCADA_RETURN_IF_ERROR(runtime.Step());
  if (left.Is(Kind::kUndefined)) return UndefinedError(left);
  if (right.Is(Kind::kUndefined)) return UndefinedError(right);
  if (left.is_integral() && right.is_integral()) return Ordered(op, left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return Ordered(op, Wide(left), Wide(right));
  if (left.Is(Kind::kString) && right.Is(Kind::kString)) {
    BATUCADA_RETURN_IF_ERROR(runtime.StepOver(left.text()));
    return Ordered(op, left.text().compare(right.text()), 0);  // UTF-8 orders as its characters do
  }
  const bool both_lists = left.Is(SequenceKind::kList) && right.Is(SequenceKind::kList);
  const bool both_tuples = left.Is(SequenceKind::kTuple) && right.Is(SequenceKind::kTuple);
  if (both_lists || both_tuples) return OrderSequences(runtime, op, left.sequence()->items, right.sequence()->items);
  return absl::InvalidArgumentError(Concat("'", Symbol(op), "' not supported between instances of '", left.TypeName(),
                                           "' and '", right.TypeName(), "'"));
}

}  // namespace

absl::StatusOr<bool> Equals(Runtime& runtime, const Value& left, const Value& right) {
  BATUCADA_RETURN_IF_ERROR(runtime.Step());
  if (left.is_integral() && right.is_integral()) return left.integer() == right.integer();
  if (left.is_number() && right.is_number()) return Wide(left) == Wide(right);
  if (left.kind() != right.kind()) return false;
  if (left.SameObject(right)) return true;
  switch (left.kind()) {
    case Kind::kUndefined: return true;
    case Kind::kString: BATUCADA_RETURN_IF_ERROR(runtime.StepOver(left.text())); return left.text() == right.text();
    case Kind::kSequence: return SequencesEqual(runtime, *left.sequence(), *right.sequence());
    case Kind::kDict: return DictsEqual(runtime, left.dict(), right.dict());
    default: return false;
  }
}

absl::StatusOr<bool> Contains(Runtime& runtime, const Value& haystack, const Value& needle) {
  if (haystack.Is(Kind::kString)) {
    if (!needle.Is(Kind::kString)) {
      return absl::InvalidArgumentError(
          Concat("'in <string>' requires string as left operand, not ", needle.TypeName()));
    }
    BATUCADA_RETURN_IF_ERROR(runtime.StepOver(haystack.text()));
    BATUCADA_RETURN_IF_ERROR(runtime.StepOver(needle.text()));
    return Find(haystack.text(), needle.text()) != std::string_view::npos;
  }
  if (haystack.Is(Kind::kDict)) {
    if (needle.Is(Kind::kString)) BATUCADA_RETURN_IF_ERROR(runtime.StepOver(needle.text()));
    if (needle.Is(Kind::kDict) || needle.Is(SequenceKind::kList)) {
      return absl::InvalidArgumentError(Concat("unhashable type: '", needle.TypeName(), "'"));
    }
    return haystack.dict().Find(needle) != nullptr;
  }
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, haystack));
  for (const Value& item : sequence->items) {
    BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime, item, needle));
    if (equal) return true;
  }
  return false;
}

absl::StatusOr<bool> Compare(Runtime& runtime, ComparisonOperator op, const Value& left, const Value& right) {
  switch (op) {
    case ComparisonOperator::kEqual: return Equals(runtime, left, right);
    case ComparisonOperator::kNotEqual: {
      BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime, left, right));
      return !equal;
    }
    case ComparisonOperator::kIn: return Contains(runtime, right, left);
    case ComparisonOperator::kNotIn: {
      BATUCADA_ASSIGN_OR_RETURN(const bool contained, Contains(runtime, right, left));
      return !contained;
    }
    default: return Order(runtime, op, left, right);
  }
}

}  // namespace batucada::jinja
