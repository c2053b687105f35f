// The methods of str.
#include "text/jinja/builtins.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/formatting.h"
#include "text/jinja/text.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

using Result = absl::StatusOr<Value>;

// Methods without arguments that make one text of another.
template <std::string (*kMap)(std::string_view)>
Result MappedText(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("this method", arguments, {}, 0).status());
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(self.text()));
  return runtime.String(kMap(self.text()));
}

// Methods without arguments that ask whether every character is of a class, and that there is one.
template <bool (*kIsOfClass)(char32_t)>
Result All(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("this method", arguments, {}, 0).status());
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(self.text()));
  for (size_t i = 0; i < self.text().size();) {
    if (!kIsOfClass(NextCodepoint(self.text(), &i))) return Value::Bool(false);
  }
  return Value::Bool(!self.text().empty());
}

// Whether letters that have a case are all of one, and that there is one.
template <bool (*kIsOfCase)(char32_t)>
Result AllCased(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("this method", arguments, {}, 0).status());
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(self.text()));
  bool any = false;
  for (size_t i = 0; i < self.text().size();) {
    const char32_t c = NextCodepoint(self.text(), &i);
    if (!IsCased(c)) continue;
    if (!kIsOfCase(c)) return Value::Bool(false);
    any = true;
  }
  return Value::Bool(any);
}

bool IsUnicodeDigit(char32_t c) {
  return IsDecimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
         (c >= 0x2080 && c <= 0x2089);
}
bool IsAlnum(char32_t c) { return IsAlphabetic(c) || IsNumeric(c); }

Result IsAsciiMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("isascii()", arguments, {}, 0).status());
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(self.text()));
  return Value::Bool(Length(self.text()) == self.text().size() &&
                     std::none_of(self.text().begin(), self.text().end(), [](char c) { return (c & 0x80) != 0; }));
}

enum class Side : uint8_t { kLeft, kRight, kBoth };

template <Side kSide>
Result Strip(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("strip()", arguments, {"chars"}, 0));
  const bool whitespace = bound[0] == nullptr || bound[0]->Is(Kind::kNone);
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view chars, TextArgument(whitespace ? nullptr : bound[0], "chars", ""));
  // Every character that goes is looked for among `chars`.
  const auto each = static_cast<int64_t>(whitespace ? size_t{1} : chars.size() + 1);
  BATUCADA_RETURN_IF_ERROR(runtime.Work(static_cast<int64_t>(self.text().size()) * each));
  std::string_view text = self.text();
  if (kSide != Side::kRight) text = whitespace ? StrippedLeft(text) : StrippedLeft(text, chars);
  if (kSide != Side::kLeft) text = whitespace ? StrippedRight(text) : StrippedRight(text, chars);
  return runtime.String(text);
}

template <SplitFrom kFrom>
Result Split(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("split()", arguments, {"sep", "maxsplit"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t max_splits, IntArgument(bound[1], "maxsplit", -1));
  if (bound[0] == nullptr || bound[0]->Is(Kind::kNone)) {
    BATUCADA_ASSIGN_OR_RETURN(const auto words, SplitWords(runtime, self.text(), max_splits, kFrom));
    return StringList(runtime, words);
  }
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view separator, TextArgument(bound[0], "sep", ""));
  if (separator.empty()) return absl::InvalidArgumentError("empty separator");
  BATUCADA_ASSIGN_OR_RETURN(const auto pieces, SplitAt(runtime, self.text(), separator, max_splits, kFrom));
  return StringList(runtime, pieces);
}

Result SplitLinesMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("splitlines()", arguments, {"keepends"}, 0));
  const LineEnds ends = TruthArgument(bound[0], false) ? LineEnds::kKeep : LineEnds::kDrop;
  BATUCADA_ASSIGN_OR_RETURN(const auto lines, SplitLines(runtime, self.text(), ends));
  return StringList(runtime, lines);
}

Result Join(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("join()", arguments, {"iterable"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, *bound[0]));
  TextBuilder out(&runtime);
  for (size_t i = 0; i < sequence->items.size(); ++i) {
    const Value& item = sequence->items[i];
    if (!item.Is(Kind::kString)) {
      return absl::InvalidArgumentError(
          Concat("sequence item ", i, ": expected str instance, ", item.TypeName(), " found"));
    }
    if (i > 0) BATUCADA_RETURN_IF_ERROR(out.Append(self.text()));
    BATUCADA_RETURN_IF_ERROR(out.Append(item.text()));
  }
  return runtime.String(out.text());
}

Result ReplaceMethod(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("replace()", arguments, {"old", "new", "count"}, 2));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view from, TextArgument(bound[0], "old", ""));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view to, TextArgument(bound[1], "new", ""));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t count, IntArgument(bound[2], "count", -1));
  return Replace(runtime, self.text(), from, to, count);
}

template <bool kAtEnd>
Result StartsOrEndsWith(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound,
                            Bind(kAtEnd ? "endswith()" : "startswith()", arguments, {"prefix", "start", "end"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<Window> window, CutWindow(runtime, self.text(), bound[1], bound[2]));
  const bool several = bound[0]->Is(SequenceKind::kTuple);
  const std::span<const Value> candidates =
      several ? std::span<const Value>(bound[0]->sequence()->items) : std::span<const Value>(bound[0], 1);
  for (const Value& candidate : candidates) {
    if (!candidate.Is(Kind::kString)) {
      return absl::InvalidArgumentError(
          Concat("startswith and endswith take a string or a tuple of strings, not ", candidate.TypeName()));
    }
    BATUCADA_RETURN_IF_ERROR(runtime.StepOver(candidate.text()));
    if (!window.has_value()) continue;
    if (kAtEnd ? window->text.ends_with(candidate.text()) : window->text.starts_with(candidate.text())) {
      return Value::Bool(true);
    }
  }
  return Value::Bool(false);
}

template <bool kRemoveEnd>
Result RemoveEnd(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("removeprefix()", arguments, {"prefix"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view end, TextArgument(bound[0], "prefix", ""));
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(end));
  std::string_view text = self.text();
  if (kRemoveEnd && text.ends_with(end)) text.remove_suffix(end.size());
  if (!kRemoveEnd && text.starts_with(end)) text.remove_prefix(end.size());
  return runtime.String(text);
}

enum class Missing : uint8_t { kMinusOne, kError };

template <Side kSide, Missing kMissing>
Result Search(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("find()", arguments, {"sub", "start", "end"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view needle, TextArgument(bound[0], "sub", ""));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<Window> window, CutWindow(runtime, self.text(), bound[1], bound[2]));
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(needle));
  size_t at = std::string_view::npos;
  if (window.has_value()) {
    if (kSide == Side::kRight) BATUCADA_RETURN_IF_ERROR(StepOverBackwardSearch(runtime, window->text, needle));
    at = kSide == Side::kRight ? window->text.rfind(needle) : Find(window->text, needle);
  }
  if (at != std::string_view::npos) {
    return Value::Int(window->first + static_cast<int64_t>(Length(window->text.substr(0, at))));
  }
  if (kMissing == Missing::kError) return absl::InvalidArgumentError("substring not found");
  return Value::Int(-1);
}

Result Count(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("count()", arguments, {"sub", "start", "end"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view needle, TextArgument(bound[0], "sub", ""));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<Window> window, CutWindow(runtime, self.text(), bound[1], bound[2]));
  if (!window.has_value()) return Value::Int(0);
  if (needle.empty()) return Value::Int(static_cast<int64_t>(Length(window->text)) + 1);
  int64_t count = 0;
  for (size_t at = Find(window->text, needle); at != std::string_view::npos;
       at = Find(window->text, needle, at + needle.size())) {
    BATUCADA_RETURN_IF_ERROR(runtime.Work(kWorkPerStep / 2));
    ++count;
  }
  return Value::Int(count);
}

template <Side kSide>
Result Partition(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("partition()", arguments, {"sep"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view separator, TextArgument(bound[0], "sep", ""));
  if (separator.empty()) return absl::InvalidArgumentError("empty separator");
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(self.text()));
  if (kSide == Side::kRight) BATUCADA_RETURN_IF_ERROR(StepOverBackwardSearch(runtime, self.text(), separator));
  const std::string_view text = self.text();
  const size_t at = kSide == Side::kRight ? text.rfind(separator) : Find(text, separator);
  std::vector<std::string_view> parts = {text, "", ""};
  if (at != std::string_view::npos) {
    parts = {text.substr(0, at), separator, text.substr(at + separator.size())};
  } else if (kSide == Side::kRight) {
    parts = {"", "", text};
  }
  BATUCADA_ASSIGN_OR_RETURN(const Value list, StringList(runtime, parts));
  return runtime.Tuple(list.sequence()->items);
}

// Fills up to `width` characters: on the right of the text, on its left, or on both sides.
template <Side kSide>
Result Pad(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("center()", arguments, {"width", "fillchar"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t width, IntArgument(bound[0], "width", 0));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view fill, TextArgument(bound[1], "fillchar", " "));
  if (Length(fill) != 1) return absl::InvalidArgumentError("the fill character must be exactly one character long");
  return Padded(runtime, self.text(), width, fill,
                kSide == Side::kRight ? PadSide::kRight : (kSide == Side::kLeft ? PadSide::kLeft : PadSide::kBoth));
}

Result ZeroFill(Runtime& runtime, const Value& self, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("zfill()", arguments, {"width"}, 1));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t width, IntArgument(bound[0], "width", 0));
  const std::string_view text = self.text();
  const size_t sign = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  BATUCADA_ASSIGN_OR_RETURN(
      const Value digits, Padded(runtime, text.substr(sign), width - static_cast<int64_t>(sign), "0", PadSide::kLeft));
  return runtime.String(Concat(text.substr(0, sign), digits.text()));
}

Result Format(Runtime& runtime, const Value& self, const Arguments& arguments) {
  return FormatBraces(runtime, self.text(), arguments);
}

constexpr Method kMethods[] = {
    {"capitalize", MappedText<Capitalize>},
    {"center", Pad<Side::kBoth>},
    {"count", Count},
    {"endswith", StartsOrEndsWith<true>},
    {"find", Search<Side::kLeft, Missing::kMinusOne>},
    {"format", Format},
    {"index", Search<Side::kLeft, Missing::kError>},
    {"isalnum", All<IsAlnum>},
    {"isalpha", All<IsAlphabetic>},
    {"isascii", IsAsciiMethod},
    {"isdecimal", All<IsDecimal>},
    {"isdigit", All<IsUnicodeDigit>},
    {"islower", AllCased<IsLower>},
    {"isspace", All<IsSpace>},
    {"isupper", AllCased<IsUpper>},
    {"join", Join},
    {"ljust", Pad<Side::kRight>},
    {"lower", MappedText<Lower>},
    {"lstrip", Strip<Side::kLeft>},
    {"partition", Partition<Side::kLeft>},
    {"removeprefix", RemoveEnd<false>},
    {"removesuffix", RemoveEnd<true>},
    {"replace", ReplaceMethod},
    {"rfind", Search<Side::kRight, Missing::kMinusOne>},
    {"rindex", Search<Side::kRight, Missing::kError>},
    {"rjust", Pad<Side::kLeft>},
    {"rpartition", Partition<Side::kRight>},
    {"rsplit", Split<SplitFrom::kRight>},
    {"rstrip", Strip<Side::kRight>},
    {"split", Split<SplitFrom::kLeft>},
    {"splitlines", SplitLinesMethod},
    {"startswith", StartsOrEndsWith<false>},
    {"strip", Strip<Side::kBoth>},
    {"swapcase", MappedText<SwapCase>},
    {"title", MappedText<Title>},
    {"upper", MappedText<Upper>},
    {"zfill", ZeroFill},
};

}  // namespace

const Method* FindStringMethod(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kMethods), std::end(kMethods), [&](const Method& method) { return method.name == name; });
  return found == std::end(kMethods) ? nullptr : found;
}

}  // namespace batucada::jinja
