#include "text/jinja/tests.h"

#include <algorithm>
#include <string>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/arithmetic.h"
#include "text/jinja/comparison.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/repr.h"

namespace batucada::jinja {
namespace {

using Result = absl::StatusOr<bool>;

bool IsDefined(const Value& value) { return !value.Is(Kind::kUndefined); }
bool IsUndefined(const Value& value) { return value.Is(Kind::kUndefined); }
bool IsNone(const Value& value) { return value.Is(Kind::kNone); }
bool IsBoolean(const Value& value) { return value.Is(Kind::kBool); }
bool IsTrue(const Value& value) { return value.Is(Kind::kBool) && value.boolean(); }
bool IsFalse(const Value& value) { return value.Is(Kind::kBool) && !value.boolean(); }
bool IsInteger(const Value& value) { return value.Is(Kind::kInt); }
bool IsFloat(const Value& value) { return value.Is(Kind::kFloat); }
bool IsNumber(const Value& value) { return value.is_number(); }
bool IsString(const Value& value) { return value.Is(Kind::kString); }
bool IsMapping(const Value& value) { return value.Is(Kind::kDict); }
bool IsEscaped(const Value& value) { return value.is_markup(); }
// jinja2's undefined values can be called, if only to fail.
bool IsCallable(const Value& value) { return value.Is(Kind::kCallable) || value.Is(Kind::kUndefined); }

bool IsIterable(const Value& value) {
  return value.Is(Kind::kUndefined) || value.Is(Kind::kString) || value.Is(Kind::kSequence) || value.Is(Kind::kDict);
}

// What has a length and elements: strings, dicts and undefined values too.
bool IsSequence(const Value& value) {
  if (!value.Is(Kind::kSequence)) return IsIterable(value);
  const SequenceKind kind = value.sequence()->kind;
  return kind == SequenceKind::kList || kind == SequenceKind::kTuple || kind == SequenceKind::kRange;
}

template <bool (*Predicate)(const Value&)>
Result Simple(Runtime&, const Value& value, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("this test", arguments, {}, 0).status());
  return Predicate(value);
}

template <ComparisonOperator op>
Result Comparison(Runtime& runtime, const Value& value, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("this test", arguments, {"other"}, 1));
  return Compare(runtime, op, value, *bound[0]);
}

Result SameAs(Runtime&, const Value& value, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("sameas", arguments, {"other"}, 1));
  return value.SameObject(*bound[0]);
}

Result RemainderIs(Runtime& runtime, const Value& value, const Value& divisor, int64_t expected) {
  BATUCADA_ASSIGN_OR_RETURN(const Value remainder, Apply(runtime, BinaryOperator::kModulo, value, divisor));
  return Equals(runtime, remainder, Value::Int(expected));
}

Result Odd(Runtime& runtime, const Value& value, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("odd", arguments, {}, 0).status());
  return RemainderIs(runtime, value, Value::Int(2), 1);
}

Result Even(Runtime& runtime, const Value& value, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("even", arguments, {}, 0).status());
  return RemainderIs(runtime, value, Value::Int(2), 0);
}

Result DivisibleBy(Runtime& runtime, const Value& value, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("divisibleby", arguments, {"num"}, 1));
  return RemainderIs(runtime, value, *bound[0], 0);
}

Result AskString(Runtime& runtime, const Value& value, const Arguments& arguments, std::string_view method) {
  BATUCADA_RETURN_IF_ERROR(Bind("this test", arguments, {}, 0).status());
  BATUCADA_ASSIGN_OR_RETURN(std::string text, Str(runtime, value));
  BATUCADA_ASSIGN_OR_RETURN(const Value answer,
                            BindMethod(Value::String(std::move(text)), method).callable().Call(runtime, {}));
  return answer.Truth();
}

Result LowerCase(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return AskString(runtime, value, arguments, "islower");
}

Result UpperCase(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return AskString(runtime, value, arguments, "isupper");
}

Result IsFilter(Runtime&, const Value& value, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("filter", arguments, {}, 0).status());
  return value.Is(Kind::kString) && FindFilter(value.text()) != nullptr;
}

Result IsTest(Runtime&, const Value& value, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("test", arguments, {}, 0).status());
  return value.Is(Kind::kString) && FindTest(value.text()) != nullptr;
}

constexpr Test kTests[] = {
    {"!=", Comparison<ComparisonOperator::kNotEqual>},
    {"<", Comparison<ComparisonOperator::kLess>},
    {"<=", Comparison<ComparisonOperator::kLessEqual>},
    {"==", Comparison<ComparisonOperator::kEqual>},
    {">", Comparison<ComparisonOperator::kGreater>},
    {">=", Comparison<ComparisonOperator::kGreaterEqual>},
    {"boolean", Simple<IsBoolean>},
    {"callable", Simple<IsCallable>},
    {"defined", Simple<IsDefined>},
    {"divisibleby", DivisibleBy},
    {"eq", Comparison<ComparisonOperator::kEqual>},
    {"equalto", Comparison<ComparisonOperator::kEqual>},
    {"escaped", Simple<IsEscaped>},
    {"even", Even},
    {"false", Simple<IsFalse>},
    {"filter", IsFilter},
    {"float", Simple<IsFloat>},
    {"ge", Comparison<ComparisonOperator::kGreaterEqual>},
    {"greaterthan", Comparison<ComparisonOperator::kGreater>},
    {"gt", Comparison<ComparisonOperator::kGreater>},
    {"in", Comparison<ComparisonOperator::kIn>},
    {"integer", Simple<IsInteger>},
    {"iterable", Simple<IsIterable>},
    {"le", Comparison<ComparisonOperator::kLessEqual>},
    {"lessthan", Comparison<ComparisonOperator::kLess>},
    {"lower", LowerCase},
    {"lt", Comparison<ComparisonOperator::kLess>},
    {"mapping", Simple<IsMapping>},
    {"ne", Comparison<ComparisonOperator::kNotEqual>},
    {"none", Simple<IsNone>},
    {"number", Simple<IsNumber>},
    {"odd", Odd},
    {"sameas", SameAs},
    {"sequence", Simple<IsSequence>},
    {"string", Simple<IsString>},
    {"test", IsTest},
    {"true", Simple<IsTrue>},
    {"undefined", Simple<IsUndefined>},
    {"upper", UpperCase},
};

}  // namespace

const Test* FindTest(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kTests), std::end(kTests), [&](const Test& test) { return test.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

absl::Status NoTest(std::string_view name) {
  return absl::InvalidArgumentError(Concat("there is no test '", name.substr(0, 100), "'"));
}

}  // namespace batucada::jinja
