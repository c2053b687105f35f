// Filters that make text.
#include "text/jinja/builtins.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/formatting.h"
#include "text/jinja/operators.h"
#include "text/jinja/serialize.h"
#include "text/jinja/text.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

using Result = absl::StatusOr<Value>;

// str(value), but text that is marked as safe stays marked.
Result SoftString(Runtime& runtime, const Value& value) {
  if (value.Is(Kind::kString)) return value;
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, Str(runtime, value));
  return runtime.String(text);
}

// The filters that are str(value).method(arguments).
Result CallMethod(Runtime& runtime, const Value& input, std::string_view method, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const Value text, SoftString(runtime, input));
  return BindMethod(text, method).callable().Call(runtime, arguments);
}

Result UpperFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return CallMethod(runtime, input, "upper", arguments);
}

Result LowerFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return CallMethod(runtime, input, "lower", arguments);
}

Result CapitalizeFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return CallMethod(runtime, input, "capitalize", arguments);
}

Result TrimFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  return CallMethod(runtime, input, "strip", arguments);
}

Result CenterFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("center", arguments, {"width"}, 0));
  return CallMethod(runtime, input, "center", {.positional = {bound[0] == nullptr ? Value::Int(80) : *bound[0]}});
}

// Not str.title: words begin behind blanks, hyphens and opening brackets only.
Result TitleFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("title", arguments, {}, 0).status());
  BATUCADA_ASSIGN_OR_RETURN(const Value text, SoftString(runtime, input));
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(text.text()));
  const std::string_view rest = text.text();
  std::string out;
  for (size_t i = 0; i < rest.size();) {
    const auto is_separator = [](char32_t c) {
      return IsSpace(c) || std::u32string_view(U"-({[<").find(c) != std::u32string_view::npos;
    };
    const size_t begin = i;
    const bool separator = is_separator(NextCodepoint(rest, &i));
    const size_t first = i;
    while (i < rest.size()) {
      size_t next = i;
      if (is_separator(NextCodepoint(rest, &next)) != separator) break;
      i = next;
    }
    out += Upper(rest.substr(begin, first - begin));
    out += Lower(rest.substr(first, i - first));
  }
  return text.is_markup() ? runtime.Markup(out) : runtime.String(out);
}

Result ReplaceFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("replace", arguments, {"old", "new", "count"}, 2));
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, Str(runtime, input));
  BATUCADA_ASSIGN_OR_RETURN(const std::string from, Str(runtime, *bound[0]));
  BATUCADA_ASSIGN_OR_RETURN(const std::string to, Str(runtime, *bound[1]));
  const bool all = bound[2] == nullptr || bound[2]->Is(Kind::kNone);
  BATUCADA_ASSIGN_OR_RETURN(const int64_t count, IntArgument(all ? nullptr : bound[2], "count", -1));
  return Replace(runtime, text, from, to, count);
}

Result JoinFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("join", arguments, {"d", "attribute"}, 0));
  const Value separator = bound[0] == nullptr ? Value::String("") : *bound[0];
  BATUCADA_ASSIGN_OR_RETURN(const AttributePath path,
                            AttributePath::Parse(runtime, bound[1] == nullptr ? Value() : *bound[1]));
  BATUCADA_ASSIGN_OR_RETURN(const auto sequence, Iterate(runtime, input));
  TextBuilder out(&runtime);
  for (size_t i = 0; i < sequence->items.size(); ++i) {
    BATUCADA_RETURN_IF_ERROR(runtime.Step());
    if (i > 0) BATUCADA_RETURN_IF_ERROR(AppendStr(separator, &out));
    BATUCADA_ASSIGN_OR_RETURN(const Value item, path.Get(runtime, sequence->items[i], std::nullopt));
    BATUCADA_RETURN_IF_ERROR(AppendStr(item, &out));
  }
  return runtime.String(out.text());
}

Result IndentFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("indent", arguments, {"width", "first", "blank"}, 0));
  if (input.Is(Kind::kUndefined)) return UndefinedError(input);
  if (!input.Is(Kind::kString)) {
    return absl::InvalidArgumentError(Concat("indent is for strings, not for a ", input.TypeName()));
  }
  Value indention = Value::String("    ");
  if (bound[0] != nullptr && bound[0]->Is(Kind::kString)) {
    indention = *bound[0];
  } else if (bound[0] != nullptr) {
    BATUCADA_ASSIGN_OR_RETURN(const int64_t width, IntArgument(bound[0], "width", 4));
    BATUCADA_ASSIGN_OR_RETURN(indention, Padded(runtime, "", width, " ", PadSide::kLeft));
  }
  const bool blank = TruthArgument(bound[2], false);
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(input.text()));
  const std::string text = Concat(input.text(), "\n");  // so that a last empty line counts
  TextBuilder out(&runtime);
  if (TruthArgument(bound[1], false)) BATUCADA_RETURN_IF_ERROR(out.Append(indention.text()));
  bool is_first = true;
  BATUCADA_ASSIGN_OR_RETURN(const auto lines, SplitLines(runtime, text, LineEnds::kDrop));
  for (const std::string_view line : lines) {
    if (!is_first) BATUCADA_RETURN_IF_ERROR(out.Append("\n"));
    if (!is_first && (blank || !line.empty())) BATUCADA_RETURN_IF_ERROR(out.Append(indention.text()));
    BATUCADA_RETURN_IF_ERROR(out.Append(line));
    is_first = false;
  }
  return input.is_markup() ? runtime.Markup(out.text()) : runtime.String(out.text());
}

Result TruncateFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound, Bind("truncate", arguments, {"length", "killwords", "end", "leeway"}, 0));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t length, IntArgument(bound[0], "length", 255));
  BATUCADA_ASSIGN_OR_RETURN(const std::string_view end, TextArgument(bound[2], "end", "..."));
  const bool own_leeway = bound[3] != nullptr && !bound[3]->Is(Kind::kNone);
  BATUCADA_ASSIGN_OR_RETURN(const int64_t leeway, IntArgument(own_leeway ? bound[3] : nullptr, "leeway", 5));
  const auto end_length = static_cast<int64_t>(Length(end));
  if (length < end_length || leeway < 0) {
    return absl::InvalidArgumentError(Concat("truncate: expected length >= ", end_length, " and leeway >= 0"));
  }
  BATUCADA_ASSIGN_OR_RETURN(const int64_t input_length, LengthOf(runtime, input));
  if (input_length - leeway <= length) return input;
  if (!input.Is(Kind::kString)) {
    return absl::InvalidArgumentError(Concat("truncate is for strings, not for a ", input.TypeName()));
  }
  const std::string_view text = input.text();
  const std::string_view cut = text.substr(0, ByteOffset(text, static_cast<size_t>(length - end_length)));
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(text));
  if (TruthArgument(bound[1], false)) return runtime.String(Concat(cut, end));
  BATUCADA_ASSIGN_OR_RETURN(const auto words, SplitAt(runtime, cut, " ", 1, SplitFrom::kRight));
  return runtime.String(Concat(words.front(), end));
}

Result WordCountFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("wordcount", arguments, {}, 0).status());
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, Str(runtime, input));
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(text));
  int64_t count = 0;
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const char32_t c = NextCodepoint(text, &i);
    const bool word = c == U'_' || IsAlphabetic(c) || IsNumeric(c);
    if (word && !inside) ++count;
    inside = word;
  }
  return Value::Int(count);
}

Result FormatFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keyword.empty()) {
    return absl::InvalidArgumentError("format takes arguments by place or by name, not both");
  }
  BATUCADA_ASSIGN_OR_RETURN(const Value text, SoftString(runtime, input));
  if (arguments.keyword.empty()) {
    BATUCADA_ASSIGN_OR_RETURN(const Value tuple, runtime.Tuple(arguments.positional));
    return FormatPercent(runtime, text, tuple);
  }
  Dict names;
  for (const auto& [name, value] : arguments.keyword) names.Set(Value::String(name), value);
  BATUCADA_ASSIGN_OR_RETURN(const Value dict, runtime.OwnDict(std::move(names)));
  return FormatPercent(runtime, text, dict);
}

Result StringFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("string", arguments, {}, 0).status());
  return SoftString(runtime, input);
}

Result SafeFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("safe", arguments, {}, 0).status());
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, Str(runtime, input));
  return runtime.Markup(text);
}

Result EscapeFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("escape", arguments, {}, 0).status());
  return Escape(runtime, input);
}

Result ForceEscapeFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_RETURN_IF_ERROR(Bind("forceescape", arguments, {}, 0).status());
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, Str(runtime, input));
  return Escape(runtime, Value::String(text));
}

Result ToJsonFilter(Runtime& runtime, const Value& input, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const auto bound,
                            Bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0));
  JsonOptions options;
  options.ascii_only = TruthArgument(bound[0], false);
  options.sort_keys = TruthArgument(bound[3], false);
  if (bound[1] != nullptr && !bound[1]->Is(Kind::kNone)) {
    options.item_separator = ",";
    if (bound[1]->Is(Kind::kString)) {
      options.indent = bound[1]->text();
    } else {
      BATUCADA_ASSIGN_OR_RETURN(const int64_t width, IntArgument(bound[1], "indent", 0));
      BATUCADA_ASSIGN_OR_RETURN(const Value blanks, Padded(runtime, "", width, " ", PadSide::kLeft));
      options.indent = blanks.text();
    }
  }
  if (bound[2] != nullptr && !bound[2]->Is(Kind::kNone)) {
    BATUCADA_ASSIGN_OR_RETURN(const auto separators, Iterate(runtime, *bound[2]));
    const std::vector<Value>& items = separators->items;
    if (items.size() != 2 || !items[0].Is(Kind::kString) || !items[1].Is(Kind::kString)) {
      return absl::InvalidArgumentError("tojson: 'separators' must be two strings");
    }
    options.item_separator = items[0].text();
    options.key_separator = items[1].text();
  }
  return DumpJson(runtime, input, options);
}

constexpr Filter kTextFilters[] = {
    {"capitalize", CapitalizeFilter},
    {"center", CenterFilter},
    {"e", EscapeFilter},
    {"escape", EscapeFilter},
    {"forceescape", ForceEscapeFilter},
    {"format", FormatFilter},
    {"indent", IndentFilter},
    {"join", JoinFilter},
    {"lower", LowerFilter},
    {"replace", ReplaceFilter},
    {"safe", SafeFilter},
    {"string", StringFilter},
    {"title", TitleFilter},
    {"tojson", ToJsonFilter},
    {"trim", TrimFilter},
    {"truncate", TruncateFilter},
    {"upper", UpperFilter},
    {"wordcount", WordCountFilter},
};

}  // namespace

std::span<const Filter> TextFilters() { return kTextFilters; }

}  // namespace batucada::jinja
