#include "text/jinja/percent_format.h"

#include <cmath>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/access.h"
#include "text/jinja/format_spec.h"
#include "text/jinja/repr.h"

namespace batucada::jinja {
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
