#include "text/jinja/formatting.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/float_repr.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/serialize.h"
#include "text/jinja/text.h"

namespace batucada::jinja {
namespace {

absl::Status CheckSize(const FormatSpec& spec) {
  if (spec.width <= kMaxFormatWidth && spec.precision <= kMaxFormatWidth) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("a format wider than ", kMaxFormatWidth, " characters"));
}

std::string Repeated(std::string_view fill, int64_t times) {
  std::string out;
  for (; times > 0; --times) out += fill;
  return out;
}

// `sign` stands apart so that zeros can go behind it.
std::string Aligned(const FormatSpec& spec, char default_align, std::string_view sign, std::string_view body) {
  const int64_t missing = spec.width - static_cast<int64_t>(sign.size() + Length(body));
  if (missing <= 0) return Concat(sign, body);
  switch (spec.align == '\0' ? default_align : spec.align) {
    case '<': return Concat(sign, body, Repeated(spec.fill, missing));
    case '^': return Concat(Repeated(spec.fill, missing / 2), sign, body, Repeated(spec.fill, missing - missing / 2));
    case '=': return Concat(sign, Repeated(spec.fill, missing), body);
    default: return Concat(Repeated(spec.fill, missing), sign, body);
  }
}

std::string Sign(const FormatSpec& spec, bool negative) {
  if (negative) return "-";
  return spec.sign == '-' ? "" : std::string(1, spec.sign);
}

// Puts the separator between groups of three digits before the point.
std::string Grouped(std::string digits, char separator) {
  if (separator == '\0') return digits;
  const size_t integral = std::min(digits.find_first_not_of("0123456789"), digits.size());
  for (size_t i = integral; i > 3;) {
    i -= 3;
    digits.insert(i, 1, separator);
  }
  return digits;
}

absl::Status UnknownType(const FormatSpec& spec, std::string_view what) {
  return absl::InvalidArgumentError(
      Concat("format type '", std::string_view(&spec.type, 1), "' is not for ", what, " here"));
}

}  // namespace

absl::StatusOr<std::string> FormatText(const FormatSpec& spec, std::string_view text) {
  BATUCADA_RETURN_IF_ERROR(CheckSize(spec));
  if (spec.type != '\0' && spec.type != 's') return UnknownType(spec, "a string");
  if (spec.sign != '-' || spec.alternate || spec.grouping != '\0' || spec.align == '=') {
    return absl::InvalidArgumentError("signs, '#', '=' and thousands separators are not for strings");
  }
  if (spec.precision >= 0) text = text.substr(0, ByteOffset(text, static_cast<size_t>(spec.precision)));
  return Aligned(spec, '<', "", text);
}

absl::StatusOr<std::string> FormatInteger(const FormatSpec& spec, int64_t value) {
  BATUCADA_RETURN_IF_ERROR(CheckSize(spec));
  static constexpr std::string_view kFloatTypes = "eEfFgG%";
  if (spec.type != '\0' && kFloatTypes.find(spec.type) != std::string_view::npos) {
    return FormatFloat(spec, static_cast<double>(value));
  }
  if (spec.precision >= 0) return absl::InvalidArgumentError("a precision is not for integers");
  int base = 10;
  std::string_view prefix;
  switch (spec.type) {
    case '\0':
    case 'd': break;
    case 'x':
    case 'X': base = 16, prefix = spec.type == 'x' ? "0x" : "0X"; break;
    case 'o': base = 8, prefix = "0o"; break;
    case 'b': base = 2, prefix = "0b"; break;
    default: return UnknownType(spec, "an integer");
  }
  std::array<char, 72> buffer = {};
  const uint64_t magnitude = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), magnitude, base);
  std::string digits(buffer.data(), end.ptr);
  if (spec.type == 'X')
    std::transform(digits.begin(), digits.end(), digits.begin(),
                   [](char c) { return c >= 'a' ? static_cast<char>(c - 0x20) : c; });
  if (base != 10 && spec.grouping != '\0') return absl::InvalidArgumentError("thousands are for decimal numbers");
  const std::string sign = Concat(Sign(spec, value < 0), spec.alternate ? prefix : "");
  return Aligned(spec, '>', sign, Grouped(digits, spec.grouping));
}

absl::StatusOr<std::string> FormatFloat(const FormatSpec& spec, double value) {
  BATUCADA_RETURN_IF_ERROR(CheckSize(spec));
  const std::string sign = Sign(spec, std::signbit(value) && !std::isnan(value));
  const double magnitude = std::abs(value);
  if (spec.type == '\0') {
    if (spec.precision >= 0)
      return absl::InvalidArgumentError("a precision without a type, such as f, is not supported");
    return Aligned(spec, '>', sign, Grouped(FloatRepr(magnitude), spec.grouping));
  }
  static constexpr std::string_view kTypes = "eEfFgG%";
  if (kTypes.find(spec.type) == std::string_view::npos) return UnknownType(spec, "a float");
  const bool percent = spec.type == '%';
  const std::string pattern = Concat(spec.alternate ? "%#.*" : "%.*", std::string(1, percent ? 'f' : spec.type));
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  const double shown = percent ? magnitude * 100 : magnitude;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const int size = std::snprintf(nullptr, 0, pattern.c_str(), precision, shown);
  std::string digits(static_cast<size_t>(size) + 1, '\0');
  std::snprintf(digits.data(), digits.size(), pattern.c_str(), precision, shown);
#pragma GCC diagnostic pop
  digits.pop_back();
  if (percent) digits += '%';
  return Aligned(spec, '>', sign, Grouped(digits, spec.grouping));
}

namespace {

bool IsIndex(std::string_view text) {
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
        const Value index = IsIndex(name) ? Value::Int(ToNumber(name)) : Value::String(std::string(name));
        BATUCADA_ASSIGN_OR_RETURN(value, GetItem(runtime_, value, index));
      } else {
        BATUCADA_ASSIGN_OR_RETURN(value, GetAttribute(runtime_, value, name));
      }
      path.remove_prefix(last + (element ? 1 : 0));
    }
    return value;
  }

  absl::StatusOr<Value> First(std::string_view name) {
    if (!name.empty() && !IsIndex(name)) {
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

namespace {

absl::Status Incomplete() { return absl::InvalidArgumentError("incomplete format"); }

class PercentFormatter {
 public:
  PercentFormatter(Runtime* runtime, std::string_view format, const Value& arguments)
      : runtime_(runtime), format_(format), arguments_(arguments), out_(runtime) {}

  absl::StatusOr<std::string> Run() {
    BATUCADA_RETURN_IF_ERROR(runtime_->StepOver(format_));
    while (position_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', position_), format_.size());
      BATUCADA_RETURN_IF_ERROR(out_.Append(format_.substr(position_, percent - position_)));
      position_ = percent + 1;
      if (percent < format_.size()) BATUCADA_RETURN_IF_ERROR(Convert());
    }
    const bool takes_any = arguments_.Is(Kind::kDict) || arguments_.Is(Kind::kUndefined) ||
                           (arguments_.Is(Kind::kSequence) && !arguments_.Is(SequenceKind::kTuple));
    if (!takes_any && taken_ < Available()) {
      return absl::InvalidArgumentError("not all arguments converted during string formatting");
    }
    return out_.Take();
  }

 private:
  size_t Available() const { return arguments_.Is(SequenceKind::kTuple) ? arguments_.sequence()->items.size() : 1; }

  absl::StatusOr<Value> Next() {
    if (taken_ >= Available()) return absl::InvalidArgumentError("not enough arguments for format string");
    const size_t index = taken_++;
    return arguments_.Is(SequenceKind::kTuple) ? arguments_.sequence()->items[index] : arguments_;
  }

  // The value that %(name) stands for.
  absl::StatusOr<Value> Named() {
    const size_t end = format_.find(')', position_);
    if (end == std::string_view::npos) return Incomplete();
    const std::string_view name = format_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    BATUCADA_RETURN_IF_ERROR(runtime_->StepOver(name));
    if (!arguments_.Is(Kind::kDict)) return absl::InvalidArgumentError("format requires a mapping");
    const Value* value = arguments_.dict().Find(name);
    if (value == nullptr) return absl::InvalidArgumentError(Concat("no value for %(", name.substr(0, 100), ")"));
    return *value;
  }

  int64_t ReadNumber() {
    int64_t number = 0;
    for (; position_ < format_.size() && format_[position_] >= '0' && format_[position_] <= '9'; ++position_) {
      number = std::min<int64_t>(number * 10 + (format_[position_] - '0'), kMaxFormatWidth + 1);
    }
    return number;
  }

  absl::Status Convert() {
    if (position_ >= format_.size()) return Incomplete();
    BATUCADA_RETURN_IF_ERROR(runtime_->Step(2));
    const bool named = format_[position_] == '(';
    Value value;
    if (named) {
      BATUCADA_ASSIGN_OR_RETURN(value, Named());
    }
    FormatSpec spec;
    bool zero = false;
    for (; position_ < format_.size(); ++position_) {
      const char flag = format_[position_];
      if (flag == '-') spec.align = '<';
      if (flag == '+') spec.sign = '+';
      if (flag == ' ' && spec.sign != '+') spec.sign = ' ';
      if (flag == '#') spec.alternate = true;
      if (flag == '0') zero = true;
      if (std::string_view("-+ #0").find(flag) == std::string_view::npos) break;
    }
    spec.width = ReadNumber();
    if (position_ < format_.size() && format_[position_] == '.') {
      ++position_;
      spec.precision = ReadNumber();
    }
    if (position_ >= format_.size()) return Incomplete();
    BATUCADA_RETURN_IF_ERROR(runtime_->Step((spec.width + std::max<int64_t>(spec.precision, 0)) / 16));
    spec.type = format_[position_++];
    if (spec.type == '%') return out_.Append("%");
    if (!named) {
      BATUCADA_ASSIGN_OR_RETURN(value, Next());
    }
    if (zero && spec.align == '\0') {
      spec.align = '=';
      spec.fill = "0";
    }
    BATUCADA_ASSIGN_OR_RETURN(const std::string text, ConvertValue(spec, value));
    return out_.Append(text);
  }

  absl::StatusOr<std::string> ConvertValue(FormatSpec spec, const Value& value) {
    switch (spec.type) {
      case 's':
      case 'r': {
        TextBuilder text(runtime_);
        BATUCADA_RETURN_IF_ERROR(spec.type == 's' ? AppendStr(value, &text) : AppendRepr(value, &text));
        BATUCADA_RETURN_IF_ERROR(runtime_->StepOver(text.text()));
        const char align = spec.align == '<' ? '<' : '>';
        return FormatText({.align = align, .width = spec.width, .precision = spec.precision}, text.text());
      }
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o': {
        if (value.Is(Kind::kUndefined)) return UndefinedError(value);
        const bool decimal = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
        if (decimal) spec.type = 'd';
        if (value.is_integral()) return FormatInteger(spec, value.integer());
        if (decimal && value.Is(Kind::kFloat) && std::abs(value.real()) < 9e18) {
          return FormatInteger(spec, static_cast<int64_t>(value.real()));
        }
        break;
      }
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        if (value.Is(Kind::kUndefined)) return UndefinedError(value);
        if (value.is_number()) return FormatFloat(spec, value.real());
        break;
      default:
        return absl::InvalidArgumentError(
            Concat("format character '", std::string_view(&spec.type, 1), "' is not supported"));
    }
    return absl::InvalidArgumentError(Concat("%", std::string_view(&spec.type, 1), " is not for a ", value.TypeName()));
  }

  Runtime* const runtime_;
  const std::string_view format_;
  const Value& arguments_;
  TextBuilder out_;
  size_t position_ = 0;
  size_t taken_ = 0;
};

}  // namespace

absl::StatusOr<Value> FormatPercent(Runtime& runtime, const Value& format, const Value& arguments) {
  if (format.is_markup()) return absl::InvalidArgumentError("% on escaped text is not supported");
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, PercentFormatter(&runtime, format.text(), arguments).Run());
  return runtime.String(text);
}

}  // namespace batucada::jinja
