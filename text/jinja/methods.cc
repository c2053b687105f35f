#include "text/jinja/builtins.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"
#include "text/jinja/value.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

template <size_t kSize>
bool IsOneOf(std::string_view name, const std::array<std::string_view, kSize>& names) {
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

namespace {

absl::StatusOr<Value> ListCopy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("copy()", arguments, {}, 0).status());
  return runtime.List(self.sequence()->items);
}

absl::StatusOr<Value> SequenceCount(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("count()", arguments, {"value"}, 1));
  int64_t count = 0;
  for (const Value& item : self.sequence()->items) {
    BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime, item, *bound[0]));
    if (equal) ++count;
  }
  return Value::Int(count);
}

absl::StatusOr<Value> SequenceIndex(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("index()", arguments, {"value"}, 1));
  const std::vector<Value>& items = self.sequence()->items;
  for (size_t i = 0; i < items.size(); ++i) {
    BATUCADA_ASSIGN_OR_RETURN(const bool equal, Equals(runtime, items[i], *bound[0]));
    if (equal) return Value::Int(static_cast<int64_t>(i));
  }
  return absl::InvalidArgumentError(Concat("the value is not in the ", self.TypeName()));
}

absl::StatusOr<Value> DictCopy(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("copy()", arguments, {}, 0).status());
  return runtime.OwnDict(self.dict());
}

absl::StatusOr<Value> DictGet(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("get()", arguments, {"key", "default"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const bool known, Contains(runtime, self, *bound[0]));
  if (known) return *self.dict().Find(*bound[0]);
  return bound[1] == nullptr ? Value() : *bound[1];
}

absl::StatusOr<Value> DictKeys(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("keys()", arguments, {}, 0).status());
  std::vector<Value> keys;
  for (const Dict::Entry& entry : self.dict().entries()) keys.push_back(entry.first);
  return runtime.Sequence(SequenceKind::kKeys, std::move(keys));
}

absl::StatusOr<Value> DictValues(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("values()", arguments, {}, 0).status());
  std::vector<Value> values;
  for (const Dict::Entry& entry : self.dict().entries()) values.push_back(entry.second);
  return runtime.Sequence(SequenceKind::kValues, std::move(values));
}

absl::StatusOr<Value> DictItems(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("items()", arguments, {}, 0).status());
  std::vector<Value> items;
  for (const auto& [key, value] : self.dict().entries()) {
    BATUCADA_ASSIGN_OR_RETURN(Value item, runtime.Tuple({key, value}));
    items.push_back(std::move(item));
  }
  return runtime.Sequence(SequenceKind::kItems, std::move(items));
}

// In the order of their names.
constexpr Method kSequenceMethods[] = {{"copy", ListCopy}, {"count", SequenceCount}, {"index", SequenceIndex}};
constexpr Method kDictMethods[] = {
    {"copy", DictCopy}, {"get", DictGet}, {"items", DictItems}, {"keys", DictKeys}, {"values", DictValues}};

template <size_t kSize>
const Method* FindIn(const Method (&methods)[kSize], std::string_view name) {
  const auto* found =
      std::find_if(std::begin(methods), std::end(methods), [&](const Method& method) { return method.name == name; });
  return found == std::end(methods) ? nullptr : found;
}

}  // namespace

const Method* FindSequenceMethod(const Value& self, std::string_view name) {
  if (self.Is(SequenceKind::kList)) return FindIn(kSequenceMethods, name);
  const bool tuple_has_it = name != "copy" && (self.Is(SequenceKind::kTuple) || self.Is(SequenceKind::kRange));
  return tuple_has_it ? FindIn(kSequenceMethods, name) : nullptr;
}

const Method* FindDictMethod(std::string_view name) { return FindIn(kDictMethods, name); }

namespace {

// Bytes of the longest beginning without white space.
size_t WordSize(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    if (IsSpace(NextCodepoint(text, &i))) return begin;
  }
  return text.size();
}

// Where the last word of `text` begins. REQUIRES: no white space at the end.
size_t LastWord(std::string_view text) {
  while (!text.empty() && !IsSpace(LastCodepoint(text))) {
    while ((static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.remove_suffix(1);
    text.remove_suffix(1);
  }
  return text.size();
}

bool EndsLine(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

absl::Status CountPiece(Runtime& runtime) {
  BATUCADA_RETURN_IF_ERROR(runtime.Work(kWorkPerStep / 2));
  return runtime.Allocate(2 * sizeof(std::string_view));  // a vector doubles
}

}  // namespace

absl::StatusOr<std::vector<std::string_view>> SplitWords(Runtime& runtime, std::string_view text, int64_t max_splits,
                                                         SplitFrom from) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(text));
  std::vector<std::string_view> words;
  const bool left = from == SplitFrom::kLeft;
  for (text = left ? StrippedLeft(text) : StrippedRight(text); !text.empty();) {
    BATUCADA_RETURN_IF_ERROR(CountPiece(runtime));
    if (max_splits-- == 0) {
      words.push_back(text);
      break;
    }
    if (left) {
      const size_t size = WordSize(text);
      words.push_back(text.substr(0, size));
      text = StrippedLeft(text.substr(size));
    } else {
      const size_t begin = LastWord(text);
      words.push_back(text.substr(begin));
      text = StrippedRight(text.substr(0, begin));
    }
  }
  if (!left) std::reverse(words.begin(), words.end());
  return words;
}

absl::StatusOr<std::vector<std::string_view>> SplitAt(Runtime& runtime, std::string_view text,
                                                      std::string_view separator, int64_t max_splits, SplitFrom from) {
  std::vector<std::string_view> pieces;
  const bool left = from == SplitFrom::kLeft;
  BATUCADA_RETURN_IF_ERROR(left ? runtime.StepOver(text) : StepOverBackwardSearch(runtime, text, separator));
  for (; max_splits != 0; --max_splits) {
    const size_t at = left ? Find(text, separator) : text.rfind(separator);
    if (at == std::string_view::npos) break;
    BATUCADA_RETURN_IF_ERROR(CountPiece(runtime));
    if (left) {
      pieces.push_back(text.substr(0, at));
      text.remove_prefix(at + separator.size());
    } else {
      pieces.push_back(text.substr(at + separator.size()));
      text = text.substr(0, at);
    }
  }
  pieces.push_back(text);
  if (!left) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

absl::StatusOr<std::vector<std::string_view>> SplitLines(Runtime& runtime, std::string_view text, LineEnds ends) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(text));
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t end = i;
    const char32_t c = NextCodepoint(text, &i);
    if (!EndsLine(c)) continue;
    BATUCADA_RETURN_IF_ERROR(CountPiece(runtime));
    if (c == U'\r' && i < text.size() && text[i] == '\n') ++i;
    lines.push_back(text.substr(begin, (ends == LineEnds::kKeep ? i : end) - begin));
    begin = i;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

absl::StatusOr<Value> Replace(Runtime& runtime, std::string_view text, std::string_view from, std::string_view to,
                              int64_t count) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(text));
  TextBuilder out(&runtime);
  while (count != 0) {
    const size_t at = from.empty() ? 0 : Find(text, from);
    if (at == std::string_view::npos) break;
    BATUCADA_RETURN_IF_ERROR(runtime.Work(kWorkPerStep / 2));
    BATUCADA_RETURN_IF_ERROR(out.Append(text.substr(0, at)));
    BATUCADA_RETURN_IF_ERROR(out.Append(to));
    --count;
    if (from.empty()) {
      if (text.empty()) return runtime.String(out.text());
      const size_t character = ByteOffset(text, 1);
      BATUCADA_RETURN_IF_ERROR(out.Append(text.substr(0, character)));
      text.remove_prefix(character);
    } else {
      text.remove_prefix(at + from.size());
    }
  }
  BATUCADA_RETURN_IF_ERROR(out.Append(text));
  return runtime.String(out.text());
}

absl::StatusOr<Value> Padded(Runtime& runtime, std::string_view text, int64_t width, std::string_view fill,
                             PadSide side) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(text));
  const auto length = static_cast<int64_t>(Length(text));
  const int64_t missing = std::max<int64_t>(width - length, 0);
  const int64_t largest = static_cast<int64_t>(kMaxStringBytes);
  BATUCADA_RETURN_IF_ERROR(runtime.AllocateString(static_cast<size_t>(std::min(missing, largest + 1)) * fill.size()));
  int64_t left = side == PadSide::kLeft ? missing : 0;
  if (side == PadSide::kBoth) left = missing / 2 + (missing & width & 1);  // as CPython rounds
  BATUCADA_RETURN_IF_ERROR(runtime.Step(1 + missing / 16));
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return runtime.String(out);
}

absl::StatusOr<Value> StringList(Runtime& runtime, const std::vector<std::string_view>& pieces) {
  std::vector<Value> items;
  items.reserve(pieces.size());
  for (const std::string_view piece : pieces) {
    BATUCADA_ASSIGN_OR_RETURN(Value item, runtime.String(piece));
    items.push_back(std::move(item));
  }
  return runtime.List(std::move(items));
}

absl::StatusOr<std::optional<Window>> CutWindow(Runtime& runtime, std::string_view text, const Value* start,
                                                const Value* end) {
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(text));
  const auto given = [](const Value* bound) { return bound != nullptr && !bound->Is(Kind::kNone) ? bound : nullptr; };
  BATUCADA_ASSIGN_OR_RETURN(const int64_t first, IntArgument(given(start), "start", 0));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t last, IntArgument(given(end), "end", std::numeric_limits<int64_t>::max()));
  const auto length = static_cast<int64_t>(Length(text));
  if (first > length) return std::optional<Window>();
  const SliceRange range = ResolveSlice(length, first, last, 1);
  const int64_t resolved_last = last < 0 ? std::max<int64_t>(last + length, 0) : last;
  if (range.first > resolved_last) return std::optional<Window>();
  const std::string_view rest = text.substr(ByteOffset(text, static_cast<size_t>(range.first)));
  return Window{.first = range.first, .text = rest.substr(0, ByteOffset(rest, static_cast<size_t>(range.count)))};
}

absl::Status StepOverBackwardSearch(Runtime& runtime, std::string_view text, std::string_view needle) {
  return runtime.Work(kWorkPerStep + static_cast<int64_t>(text.size()) * static_cast<int64_t>(needle.size() + 1));
}

}  // namespace batucada::jinja
