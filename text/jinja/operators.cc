#include "text/jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/formatting.h"
#include "text/jinja/serialize.h"
#include "text/jinja/text.h"

namespace batucada::jinja {
namespace {

constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();

std::string_view Symbol(BinaryOperator op) {
  switch (op) {
    case BinaryOperator::kAdd: return "+";
    case BinaryOperator::kSubtract: return "-";
    case BinaryOperator::kMultiply: return "*";
    case BinaryOperator::kDivide: return "/";
    case BinaryOperator::kFloorDivide: return "//";
    case BinaryOperator::kModulo: return "%";
    case BinaryOperator::kPower: return "**";
  }
  return "?";
}

absl::Status ZeroDivision() { return absl::InvalidArgumentError("division by zero"); }
absl::Status Overflow() { return absl::InvalidArgumentError("an integer of more than 64 bits"); }

// Rounds towards minus infinity. REQUIRES: b != 0, and not kLowest / -1.
int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

absl::StatusOr<Value> IntegerPower(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return ZeroDivision();
    return Value::Float(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return Overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return Overflow();
  }
  return Value::Int(result);
}

absl::StatusOr<Value> IntegerArithmetic(BinaryOperator op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case BinaryOperator::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return Overflow();
      return Value::Int(result);
    case BinaryOperator::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) return Overflow();
      return Value::Int(result);
    case BinaryOperator::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) return Overflow();
      return Value::Int(result);
    case BinaryOperator::kDivide:
      if (b == 0) return ZeroDivision();
      // Wider than a double where the machine has it: integers above 2^53 divide exactly as in Python.
      return Value::Float(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case BinaryOperator::kFloorDivide:
      if (b == 0) return ZeroDivision();
      if (a == kLowest && b == -1) return Overflow();
      return Value::Int(FloorDivide(a, b));
    case BinaryOperator::kModulo:
      if (b == 0) return ZeroDivision();
      return Value::Int(b == -1 ? 0 : a - FloorDivide(a, b) * b);
    case BinaryOperator::kPower: return IntegerPower(a, b);
  }
  return Overflow();
}

// The remainder that has the sign of the divisor. REQUIRES: b != 0.
double FloatModulo(double a, double b) {
  const double remainder = std::fmod(a, b);
  if (remainder == 0) return std::copysign(0.0, b);
  return (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

double FloatFloorDivide(double a, double b) {
  const double quotient = (a - FloatModulo(a, b)) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

absl::StatusOr<Value> FloatPower(double a, double b) {
  if (a == 0 && b < 0) return ZeroDivision();
  if (a < 0 && std::isfinite(a) && std::isfinite(b) && std::trunc(b) != b) {
    return absl::InvalidArgumentError("a root of a negative number is not supported");
  }
  const double result = std::pow(a, b);
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
    return absl::InvalidArgumentError("the result is too large for a float");
  }
  return Value::Float(result);
}

absl::StatusOr<Value> FloatArithmetic(BinaryOperator op, double a, double b) {
  switch (op) {
    case BinaryOperator::kAdd: return Value::Float(a + b);
    case BinaryOperator::kSubtract: return Value::Float(a - b);
    case BinaryOperator::kMultiply: return Value::Float(a * b);
    case BinaryOperator::kPower: return FloatPower(a, b);
    default: break;
  }
  if (b == 0) return ZeroDivision();
  if (op == BinaryOperator::kDivide) return Value::Float(a / b);
  return Value::Float(op == BinaryOperator::kModulo ? FloatModulo(a, b) : FloatFloorDivide(a, b));
}

absl::StatusOr<Value> AddStrings(Runtime& runtime, const Value& left, const Value& right) {
  if (left.is_markup() != right.is_markup()) {
    BATUCADA_ASSIGN_OR_RETURN(const Value a, Escape(runtime, left));
    BATUCADA_ASSIGN_OR_RETURN(const Value b, Escape(runtime, right));
    return AddStrings(runtime, a, b);
  }
  BATUCADA_RETURN_IF_ERROR(runtime.AllocateString(left.text().size() + right.text().size()));
  std::string text;
  text.reserve(left.text().size() + right.text().size());
  text.append(left.text()).append(right.text());
  return left.is_markup() ? runtime.Markup(text) : runtime.String(std::move(text));
}

absl::StatusOr<Value> AddSequences(Runtime& runtime, const Sequence& left, const Sequence& right) {
  BATUCADA_RETURN_IF_ERROR(runtime.Allocate((left.items.size() + right.items.size()) * sizeof(Value)));
  std::vector<Value> items;
  items.reserve(left.items.size() + right.items.size());
  items.insert(items.end(), left.items.begin(), left.items.end());
  items.insert(items.end(), right.items.begin(), right.items.end());
  return runtime.Sequence(left.kind, std::move(items));
}

absl::StatusOr<Value> Repeat(Runtime& runtime, const Value& value, int64_t times) {
  const size_t size = value.Is(Kind::kString) ? value.text().size() : value.sequence()->items.size() * sizeof(Value);
  size_t total = 0;
  if (times < 0 || size == 0) times = 0;
  if (__builtin_mul_overflow(size, static_cast<size_t>(times), &total)) total = std::numeric_limits<size_t>::max();
  if (value.Is(Kind::kString)) {
    BATUCADA_RETURN_IF_ERROR(runtime.AllocateString(total));
    std::string text;
    text.reserve(total);
    if (times > 0) text = value.text();
    // By doubling: an append takes as long for one byte as for many.
    while (text.size() < total) text.append(text, 0, total - text.size());
    return value.is_markup() ? runtime.Markup(text) : runtime.String(text);
  }
  BATUCADA_RETURN_IF_ERROR(runtime.Allocate(total));
  BATUCADA_RETURN_IF_ERROR(runtime.Step(static_cast<int64_t>(total / sizeof(Value) / 8)));
  const std::vector<Value>& once = value.sequence()->items;
  std::vector<Value> items;
  items.reserve(total / sizeof(Value));
  for (; times > 0; --times) items.insert(items.end(), once.begin(), once.end());
  return runtime.Sequence(value.sequence()->kind, std::move(items));
}

bool IsRepeatable(const Value& value) {
  return value.Is(Kind::kString) || value.Is(SequenceKind::kList) || value.Is(SequenceKind::kTuple);
}

}  // namespace

absl::StatusOr<Value> Apply(Runtime& runtime, BinaryOperator op, const Value& left, const Value& right) {
  if (op == BinaryOperator::kModulo && left.Is(Kind::kString)) return FormatPercent(runtime, left, right);
  if (left.Is(Kind::kUndefined)) return UndefinedError(left);
  if (right.Is(Kind::kUndefined)) return UndefinedError(right);
  if (left.is_integral() && right.is_integral()) return IntegerArithmetic(op, left.integer(), right.integer());
  if (left.is_number() && right.is_number()) return FloatArithmetic(op, left.real(), right.real());
  if (op == BinaryOperator::kAdd) {
    if (left.Is(Kind::kString) && right.Is(Kind::kString)) return AddStrings(runtime, left, right);
    const bool sequences = left.Is(Kind::kSequence) && right.Is(Kind::kSequence) && IsRepeatable(left);
    if (sequences && left.sequence()->kind == right.sequence()->kind) {
      return AddSequences(runtime, *left.sequence(), *right.sequence());
    }
    if (IsRepeatable(left)) {
      return absl::InvalidArgumentError(
          Concat("can only concatenate ", left.TypeName(), " (not \"", right.TypeName(), "\") to ", left.TypeName()));
    }
  }
  if (op == BinaryOperator::kMultiply) {
    if (IsRepeatable(left) && right.is_integral()) return Repeat(runtime, left, right.integer());
    if (IsRepeatable(right) && left.is_integral()) return Repeat(runtime, right, left.integer());
  }
  return absl::InvalidArgumentError(
      Concat("unsupported operand types for ", Symbol(op), ": '", left.TypeName(), "' and '", right.TypeName(), "'"));
}

absl::StatusOr<Value> Negate(const Value& operand) {
  if (operand.Is(Kind::kUndefined)) return UndefinedError(operand);
  if (operand.Is(Kind::kFloat)) return Value::Float(-operand.real());
  if (!operand.is_integral()) {
    return absl::InvalidArgumentError(Concat("bad operand type for unary -: '", operand.TypeName(), "'"));
  }
  if (operand.integer() == kLowest) return Overflow();
  return Value::Int(-operand.integer());
}

absl::StatusOr<Value> UnaryPlus(const Value& operand) {
  if (operand.Is(Kind::kUndefined)) return UndefinedError(operand);
  if (operand.Is(Kind::kFloat)) return operand;
  if (operand.is_integral()) return Value::Int(operand.integer());
  return absl::InvalidArgumentError(Concat("bad operand type for unary +: '", operand.TypeName(), "'"));
}

absl::StatusOr<Value> Escape(Runtime& runtime, const Value& value) {
  if (value.is_markup()) return value;
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, Str(runtime, value));
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(text));
  TextBuilder out(&runtime);
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    std::string_view entity;
    switch (text[i]) {
      case '&': entity = "&amp;"; break;
      case '<': entity = "&lt;"; break;
      case '>': entity = "&gt;"; break;
      case '\'': entity = "&#39;"; break;
      case '"': entity = "&#34;"; break;
      default: continue;
    }
    BATUCADA_RETURN_IF_ERROR(out.Append(std::string_view{text}.substr(begin, i - begin)));
    BATUCADA_RETURN_IF_ERROR(out.Append(entity));
    begin = i + 1;
  }
  BATUCADA_RETURN_IF_ERROR(out.Append(std::string_view{text}.substr(begin)));
  return runtime.Markup(out.text());
}

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
