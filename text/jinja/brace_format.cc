#include "text/jinja/brace_format.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/characters.h"
#include "text/jinja/format_spec.h"
#include "text/jinja/repr.h"

namespace batucada::jinja {
namespace {

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= 9 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

int64_t ToNumber(std::string_view digits) {
  int64_t number = 0;
  for (const char c : digits) number = std::min<int64_t>(number * 10 + (c - '0'), kMaxFormatWidth + 1);
  return number;
}

// [[fill]align][sign][#][0][width][,][.precision][type]
absl::StatusOr<FormatSpec> ParseSpec(std::string_view text) {
  static constexpr std::string_view kAligns = "<>^=";
  static constexpr std::string_view kDigits = "0123456789";
  FormatSpec spec;
  const size_t first = ByteOffset(text, 1);
  if (first < text.size() && kAligns.find(text[first]) != std::string_view::npos) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    text.remove_prefix(first + 1);
  } else if (!text.empty() && kAligns.find(text[0]) != std::string_view::npos) {
    spec.align = text[0];
    text.remove_prefix(1);
  }
  const auto take = [&text](std::string_view any) {
    if (text.empty() || any.find(text[0]) == std::string_view::npos) return '\0';
    const char c = text[0];
    text.remove_prefix(1);
    return c;
  };
  const auto take_digits = [&text] {
    const size_t end = std::min(text.find_first_not_of(kDigits), text.size());
    const std::string_view digits = text.substr(0, end);
    text.remove_prefix(end);
    return digits;
  };
  if (const char sign = take("+- ")) spec.sign = sign;
  spec.alternate = take("#") != '\0';
  if (take("0") != '\0' && spec.align == '\0') {
    spec.fill = "0";
    spec.align = '=';
  }
  spec.width = ToNumber(take_digits());
  spec.grouping = take(",_");
  if (take(".") != '\0') {
    const std::string_view digits = take_digits();
    if (digits.empty()) return absl::InvalidArgumentError("format specifier missing precision");
    spec.precision = ToNumber(digits);
  }
  spec.type = take("bcdeEfFgGnosxX%");
  if (!text.empty()) return absl::InvalidArgumentError("invalid format specifier");
  return spec;
}

absl::StatusOr<std::string> FormatValue(Runtime& runtime, const Value& value, std::string_view spec_text) {
  if (spec_text.empty()) return Str(runtime, value);
  BATUCADA_ASSIGN_OR_RETURN(const FormatSpec spec, ParseSpec(spec_text));
  BATUCADA_RETURN_IF_ERROR(runtime.Step(1 + (spec.width + std::max<int64_t>(spec.precision, 0)) / 16));
  if (value.Is(Kind::kString)) {
    BATUCADA_RETURN_IF_ERROR(runtime.StepOver(value.text()));
    return FormatText(spec, value.text());
  }
  if (value.Is(Kind::kInt)) return FormatInteger(spec, value.integer());
  if (value.Is(Kind::kFloat)) return FormatFloat(spec, value.real());
  return absl::InvalidArgumentError(Concat("a format is not supported for a ", value.TypeName()));
}

class BraceFormatter {
 public:
  BraceFormatter(Runtime* runtime, const Arguments& arguments) : runtime_(*runtime), arguments_(arguments) {}

  absl::StatusOr<std::string> Run(std::string_view format) {
    TextBuilder out(&runtime_);
    BATUCADA_RETURN_IF_ERROR(runtime_.StepOver(format));
    while (!format.empty()) {
      const size_t brace = std::min(format.find_first_of("{}"), format.size());
      BATUCADA_RETURN_IF_ERROR(out.Append(format.substr(0, brace)));
      format.remove_prefix(brace);
      if (format.empty()) break;
      if (format.size() > 1 && format[1] == format[0]) {  // {{ and }} stand for one
        BATUCADA_RETURN_IF_ERROR(out.Append(format.substr(0, 1)));
        format.remove_prefix(2);
        continue;
      }
      const size_t end = format.find('}');
      if (format[0] == '}' || end == std::string_view::npos) {
        return absl::InvalidArgumentError("a single brace in a format string");
      }
      BATUCADA_ASSIGN_OR_RETURN(const std::string text, FormatField(format.substr(1, end - 1)));
      BATUCADA_RETURN_IF_ERROR(out.Append(text));
      format.remove_prefix(end + 1);
    }
    return out.Take();
  }

 private:
  absl::StatusOr<std::string> FormatField(std::string_view field) {
    const auto names = static_cast<int64_t>(arguments_.keyword.size());
    BATUCADA_RETURN_IF_ERROR(runtime_.Step(2 + names / 8));  // a name is looked for among all
    BATUCADA_RETURN_IF_ERROR(runtime_.StepOver(field));
    if (field.find('{') != std::string_view::npos) {
      return absl::InvalidArgumentError("a field inside a field is not supported");
    }
    const size_t name_end = std::min(field.find_first_of("!:"), field.size());
    BATUCADA_ASSIGN_OR_RETURN(Value value, Resolve(field.substr(0, name_end)));
    field.remove_prefix(name_end);
    if (field.starts_with("!")) {
      if (field.size() < 2 || (field.size() > 2 && field[2] != ':') || (field[1] != 'r' && field[1] != 's')) {
        return absl::InvalidArgumentError("only the conversions !r and !s are supported");
      }
      TextBuilder text(&runtime_);
      BATUCADA_RETURN_IF_ERROR(field[1] == 'r' ? AppendRepr(value, &text) : AppendStr(value, &text));
      BATUCADA_ASSIGN_OR_RETURN(value, runtime_.String(text.text()));
      field.remove_prefix(2);
    }
    return FormatValue(runtime_, value, field.substr(field.empty() ? 0 : 1));
  }

  // "0", "" or "name", then any of ".attribute" and "[element]".
  absl::StatusOr<Value> Resolve(std::string_view path) {
    const size_t end = std::min(path.find_first_of(".["), path.size());
    BATUCADA_ASSIGN_OR_RETURN(Value value, First(path.substr(0, end)));
    path.remove_prefix(end);
    while (!path.empty()) {
      const bool element = path[0] == '[';
      const size_t last = element ? path.find(']') : std::min(path.find_first_of(".[", 1), path.size());
      if (last == std::string_view::npos || last < 2) return absl::InvalidArgumentError("an empty name in a format");
      const std::string_view name = path.substr(1, last - 1);
      if (element) {
        const Value index = IsNumber(name) ? Value::Int(ToNumber(name)) : Value::String(std::string(name));
        BATUCADA_ASSIGN_OR_RETURN(value, GetItem(runtime_, value, index));
      } else {
        BATUCADA_ASSIGN_OR_RETURN(value, GetAttribute(runtime_, value, name));
      }
      path.remove_prefix(last + (element ? 1 : 0));
    }
    return value;
  }

  absl::StatusOr<Value> First(std::string_view name) {
    if (!name.empty() && !IsNumber(name)) {
      if (const Value* value = arguments_.FindKeyword(name)) return *value;
      return absl::InvalidArgumentError(Concat("no value for {", name.substr(0, 100), "}"));
    }
    const bool automatic = name.empty();
    if (automatic_.value_or(automatic) != automatic) {
      return absl::InvalidArgumentError("numbered and unnumbered fields in one format");
    }
    automatic_ = automatic;
    const size_t index = automatic ? next_++ : static_cast<size_t>(ToNumber(name));
    if (index < arguments_.positional.size()) return arguments_.positional[index];
    return absl::InvalidArgumentError("more fields in a format than arguments");
  }

  Runtime& runtime_;
  const Arguments& arguments_;
  std::optional<bool> automatic_;  // whether fields are numbered by their order
  size_t next_ = 0;
};

}  // namespace

absl::StatusOr<Value> FormatBraces(Runtime& runtime, std::string_view format, const Arguments& arguments) {
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, BraceFormatter(&runtime, arguments).Run(format));
  return runtime.String(text);
}

}  // namespace batucada::jinja
