#include "text/jinja/methods.h"

#include <algorithm>
#include <array>
#include <memory>

#include "base/status.h"
#include "base/strings.h"

namespace batucada::jinja {
namespace {

template <size_t size>
bool IsOneOf(std::string_view name, const std::array<std::string_view, size>& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Method* FindMethod(const Value& self, std::string_view name) {
  switch (self.kind()) {
    case Kind::kString: return FindStringMethod(name);
    case Kind::kSequence: return FindSequenceMethod(self, name);
    case Kind::kDict: return FindDictMethod(name);
    default: return nullptr;
  }
}

// What becomes of the mark when a method is called on escaped text.
absl::StatusOr<Value> CallOnMarkup(Runtime& runtime, const Method& method, const Value& self,
                                   const Arguments& arguments) {
  static constexpr std::array<std::string_view, 8> kKeepMark = {"capitalize", "lower", "lstrip",   "rstrip",
                                                                "strip",      "title", "swapcase", "upper"};
  BATUCADA_ASSIGN_OR_RETURN(Value result, method.call(runtime, self, arguments));
  if (result.is_number()) return result;
  if (IsOneOf(method.name, kKeepMark)) return runtime.Markup(result.text());
  return absl::InvalidArgumentError(Concat(method.name, "() of text marked as safe is not supported"));
}

class BoundMethod : public Callable {
 public:
  BoundMethod(Value self, const Method& method) : Callable(self.depth() + 1), self_(std::move(self)), method_(method) {}

  absl::StatusOr<Value> Call(Runtime& runtime, const Arguments& arguments) override {
    static constexpr std::array<std::string_view, 4> kTakeKeywords = {"format", "rsplit", "split", "splitlines"};
    if (!arguments.keyword.empty() && !IsOneOf(method_.name, kTakeKeywords)) {
      return absl::InvalidArgumentError(Concat(method_.name, "() takes no keyword arguments"));
    }
    if (self_.is_markup()) return CallOnMarkup(runtime, method_, self_, arguments);
    return method_.call(runtime, self_, arguments);
  }

  std::string_view TypeName() const override { return "builtin_function_or_method"; }

 private:
  const Value self_;
  const Method& method_;
};

}  // namespace

bool HasMethod(const Value& self, std::string_view name) { return FindMethod(self, name) != nullptr; }

Value BindMethod(const Value& self, std::string_view name) {
  const Method* method = FindMethod(self, name);
  BATUCADA_CHECK(method != nullptr);
  return Value::Of(std::make_shared<BoundMethod>(self, *method));
}

bool ChangesObject(const Value& self, std::string_view name) {
  static constexpr std::array<std::string_view, 8> kOfLists = {"append", "clear",  "extend",  "insert",
                                                               "pop",    "remove", "reverse", "sort"};
  static constexpr std::array<std::string_view, 5> kOfDicts = {"clear", "pop", "popitem", "setdefault", "update"};
  if (self.Is(SequenceKind::kList)) return IsOneOf(name, kOfLists);
  return self.Is(Kind::kDict) && IsOneOf(name, kOfDicts);
}

bool IsUnsupportedMethod(std::string_view name) {
  static constexpr std::array<std::string_view, 16> kNames = {
      "as_integer_ratio", "bit_length", "casefold",   "conjugate", "encode",      "expandtabs",
      "format_map",       "fromkeys",   "is_integer", "isnumeric", "isprintable", "isidentifier",
      "istitle",          "maketrans",  "to_bytes",   "translate"};
  return IsOneOf(name, kNames);
}

}  // namespace batucada::jinja
