#include "text/jinja/builtins.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/operators.h"
#include "text/jinja/runtime.h"
#include "text/jinja/serialize.h"
#include "text/jinja/text.h"
#include "text/jinja/value.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

using Result = absl::StatusOr<Value>;

class Function : public Callable {
 public:
  using Body = Result (*)(Runtime& runtime, const Arguments& arguments);

  explicit Function(Body body) : body_(body) {}

  Result Call(Runtime& runtime, const Arguments& arguments) override { return body_(runtime, arguments); }

 private:
  const Body body_;
};

Result Range(Runtime& runtime, const Arguments& arguments) {
  if (!arguments.keyword.empty() || arguments.positional.empty() || arguments.positional.size() > 3) {
    return absl::InvalidArgumentError("range takes one to three integers");
  }
  std::array<int64_t, 3> numbers = {0, 0, 1};
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    const Value& argument = arguments.positional[i];
    if (argument.Is(Kind::kUndefined)) return UndefinedError(argument);
    BATUCADA_ASSIGN_OR_RETURN(numbers[i], IntArgument(&argument, "range", 0));
  }
  if (arguments.positional.size() == 1) std::swap(numbers[0], numbers[1]);
  const auto [start, stop, step] = numbers;
  if (step == 0) return absl::InvalidArgumentError("range() arg 3 must not be zero");
  const bool empty = step > 0 ? start >= stop : start <= stop;
  // Unsigned: the distance of two int64 may not fit one.
  const uint64_t distance = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                     : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : ~static_cast<uint64_t>(step) + 1;
  const uint64_t count = empty ? 0 : (distance - 1) / stride + 1;
  if (count > static_cast<uint64_t>(kMaxRange)) {
    return absl::InvalidArgumentError(
        Concat("Range too big. The sandbox blocks ranges larger than MAX_RANGE (", kMaxRange, ")."));
  }
  BATUCADA_RETURN_IF_ERROR(runtime.Step(static_cast<int64_t>(count)));
  std::vector<Value> items;
  items.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    items.push_back(Value::Int(static_cast<int64_t>(static_cast<uint64_t>(start) + i * static_cast<uint64_t>(step))));
  }
  return runtime.Sequence(SequenceKind::kRange, std::move(items));
}

// A dict from another one or from pairs, and from named arguments.
absl::StatusOr<Dict> MakeDict(Runtime& runtime, const Arguments& arguments) {
  Dict dict;
  if (arguments.positional.size() > 1) return absl::InvalidArgumentError("dict takes at most one argument by place");
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.Is(Kind::kDict)) {
      BATUCADA_RETURN_IF_ERROR(runtime.Step(2 * static_cast<int64_t>(source.dict().entries().size())));
      dict = source.dict();
    } else {
      BATUCADA_ASSIGN_OR_RETURN(const auto pairs, Iterate(runtime, source));
      for (const Value& pair : pairs->items) {
        BATUCADA_RETURN_IF_ERROR(runtime.Step(2));
        BATUCADA_ASSIGN_OR_RETURN(const auto parts, Iterate(runtime, pair));
        if (parts->items.size() != 2 || !Dict::IsKey(parts->items[0])) {
          return absl::InvalidArgumentError("dict takes pairs of a key and a value");
        }
        if (parts->items[0].Is(Kind::kString)) {
          BATUCADA_RETURN_IF_ERROR(runtime.AllocateString(parts->items[0].text().size()));
        }
        dict.Set(parts->items[0], parts->items[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.keyword) dict.Set(Value::String(name), value);
  return dict;
}

Result DictFunction(Runtime& runtime, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(Dict dict, MakeDict(runtime, arguments));
  return runtime.OwnDict(std::move(dict));
}

Result NamespaceFunction(Runtime& runtime, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const Dict attributes, MakeDict(runtime, arguments));
  BATUCADA_ASSIGN_OR_RETURN(Value names, runtime.NewNamespace());
  for (const auto& [name, value] : attributes.entries()) {
    if (!name.Is(Kind::kString))
      return absl::InvalidArgumentError("the attributes of a namespace have strings as names");
    BATUCADA_RETURN_IF_ERROR(SetAttribute(runtime, names.names(), name.text(), value));
  }
  return names;
}

// Nothing the first time it is called, the separator after that.
class Joiner : public Callable {
 public:
  explicit Joiner(std::string separator) : separator_(std::move(separator)) {}

  Result Call(Runtime& runtime, const Arguments& arguments) override {
    BATUCADA_RETURN_IF_ERROR(Bind("joiner", arguments, {}, 0).status());
    return runtime.String(std::exchange(used_, true) ? separator_ : "");
  }

  std::string_view TypeName() const override { return "Joiner"; }

 private:
  const std::string separator_;
  bool used_ = false;
};

Result JoinerFunction(Runtime& runtime, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("joiner", arguments, {"sep"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view separator, TextArgument(bound[0], "sep", ", "));
  BATUCADA_RETURN_IF_ERROR(runtime.AllocateString(separator.size() + sizeof(Joiner)));
  return Value::Of(std::shared_ptr<Callable>(std::make_shared<Joiner>(std::string(separator))));
}

Result RaiseException(Runtime& runtime, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("raise_exception", arguments, {"message"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const std::string message, Str(runtime, *bound[0]));
  return absl::InvalidArgumentError(message);
}

// The local date and time, through C's strftime; the zone is unknown to Python's datetime.now(), and empty.
Result StrftimeNow(Runtime& runtime, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("strftime_now", arguments, {"format"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view format, TextArgument(bound[0], "format", ""));
  constexpr size_t kLongestFormat = 1000;
  if (format.size() > kLongestFormat || format.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(Concat("strftime_now: a format of more than ", kLongestFormat, " bytes"));
  }
  std::string plain;
  for (size_t i = 0; i < format.size(); ++i) {
    const bool directive = format[i] == '%' && i + 1 < format.size();
    const char letter = directive ? format[i + 1] : '\0';
    if (letter == 'f') {
      plain += "000000";
    } else if (letter != 'z' && letter != 'Z') {
      plain += format[i];
      if (directive) plain += letter;
    }
    if (directive) ++i;
  }
  const std::time_t seconds = absl::ToTimeT(runtime.now());
  std::tm local = {};
  if (localtime_r(&seconds, &local) == nullptr) return absl::InvalidArgumentError("strftime_now: no local time");
  plain += '.';  // so that an empty result is told from one that does not fit
  std::string out(16 * plain.size() + 256, '\0');
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  out.resize(std::strftime(out.data(), out.size(), plain.c_str(), &local));
#pragma GCC diagnostic pop
  if (out.empty() || FindInvalidUtf8(out).has_value())
    return absl::InvalidArgumentError("strftime_now: a wrong format");
  out.pop_back();
  return runtime.String(out);
}

constexpr std::pair<std::string_view, Function::Body> kFunctions[] = {
    {"dict", DictFunction}, {"joiner", JoinerFunction},          {"namespace", NamespaceFunction},
    {"range", Range},       {"raise_exception", RaiseException}, {"strftime_now", StrftimeNow},
};

}  // namespace

bool IsGlobal(std::string_view name) {
  return std::any_of(std::begin(kFunctions), std::end(kFunctions),
                     [&](const auto& function) { return function.first == name; });
}

void AddGlobals(Scope* scope) {
  for (const auto& [name, body] : kFunctions) {
    scope->variables[name] = Value::Of(std::shared_ptr<Callable>(std::make_shared<Function>(body)));
  }
}

namespace {

using Verdict = absl::StatusOr<bool>;

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
Verdict Simple(Runtime&, const Value& value, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("this test", arguments, {}, 0).status());
  return Predicate(value);
}

template <ComparisonOperator op>
Verdict Comparison(Runtime& runtime, const Value& value, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("this test", arguments, {"other"}, 1));
  return Compare(runtime, op, value, *bound[0]);
}

Verdict SameAs(Runtime&, const Value& value, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("sameas", arguments, {"other"}, 1));
  return value.SameObject(*bound[0]);
}

Verdict RemainderIs(Runtime& runtime, const Value& value, const Value& divisor, int64_t expected) {
  BATUCADA_ASSIGN_OR_RETURN(const Value remainder, Apply(runtime, BinaryOperator::kModulo, value, divisor));
  return Equals(runtime, remainder, Value::Int(expected));
}

Verdict Odd(Runtime& runtime, const Value& value, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("odd", arguments, {}, 0).status());
  return RemainderIs(runtime, value, Value::Int(2), 1);
}

Verdict Even(Runtime& runtime, const Value& value, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("even", arguments, {}, 0).status());
  return RemainderIs(runtime, value, Value::Int(2), 0);
}

Verdict DivisibleBy(Runtime& runtime, const Value& value, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("divisibleby", arguments, {"num"}, 1));
  return RemainderIs(runtime, value, *bound[0], 0);
}

Verdict AskString(Runtime& runtime, const Value& value, const Arguments& arguments, std::string_view method) {
  BATUCADA_RETURN_IF_ERROR(Bind("this test", arguments, {}, 0).status());
  BATUCADA_ASSIGN_OR_RETURN(std::string text, Str(runtime, value));
  BATUCADA_ASSIGN_OR_RETURN(const Value answer,
                            BindMethod(Value::String(std::move(text)), method).callable().Call(runtime, {}));
  return answer.Truth();
}

Verdict LowerCase(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return AskString(runtime, value, arguments, "islower");
}

Verdict UpperCase(Runtime& runtime, const Value& value, const Arguments& arguments) {
  return AskString(runtime, value, arguments, "isupper");
}

Verdict IsFilter(Runtime&, const Value& value, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("filter", arguments, {}, 0).status());
  return value.Is(Kind::kString) && FindFilter(value.text()) != nullptr;
}

Verdict IsTest(Runtime&, const Value& value, const Arguments& arguments) {
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
