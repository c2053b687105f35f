#include "text/jinja/repr.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/characters.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

void AppendEscaped(char32_t c, char quote, std::string* out) {
  if (c == U'\n') {
    *out += "\\n";
  } else if (c == U'\r') {
    *out += "\\r";
  } else if (c == U'\t') {
    *out += "\\t";
  } else if (c == U'\\' || c == static_cast<char32_t>(quote)) {
    *out += '\\';
    *out += static_cast<char>(c);
  } else if (IsPrintable(c)) {
    AppendUtf8(c, out);
  } else if (c < 0x100) {
    *out += "\\x";
    AppendHex(c, 2, out);
  } else if (c < 0x10000) {
    *out += "\\u";
    AppendHex(c, 4, out);
  } else {
    *out += "\\U";
    AppendHex(c, 8, out);
  }
}

char QuoteFor(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  return has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
}

absl::Status AppendStringRepr(std::string_view text, TextBuilder* out) {
  const char quote = QuoteFor(text);
  BATUCADA_RETURN_IF_ERROR(out->Append(std::string_view(&quote, 1)));
  BATUCADA_RETURN_IF_ERROR(
      out->AppendEach(text, [quote](char32_t c, std::string* piece) { AppendEscaped(c, quote, piece); }));
  return out->Append(std::string_view(&quote, 1));
}

std::string StringRepr(std::string_view text) {
  const char quote = QuoteFor(text);
  std::string out(1, quote);
  for (size_t i = 0; i < text.size();) AppendEscaped(NextCodepoint(text, &i), quote, &out);
  out += quote;
  return out;
}

absl::Status AppendItems(const std::vector<Value>& items, TextBuilder* out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) BATUCADA_RETURN_IF_ERROR(out->Append(", "));
    BATUCADA_RETURN_IF_ERROR(AppendRepr(items[i], out));
  }
  return absl::OkStatus();
}

absl::Status AppendSequence(const Sequence& sequence, std::string_view type, TextBuilder* out) {
  switch (sequence.kind) {
    case SequenceKind::kList:
      BATUCADA_RETURN_IF_ERROR(out->Append("["));
      BATUCADA_RETURN_IF_ERROR(AppendItems(sequence.items, out));
      return out->Append("]");
    case SequenceKind::kTuple:
      BATUCADA_RETURN_IF_ERROR(out->Append("("));
      BATUCADA_RETURN_IF_ERROR(AppendItems(sequence.items, out));
      return out->Append(sequence.items.size() == 1 ? ",)" : ")");
    case SequenceKind::kKeys:
    case SequenceKind::kValues:
    case SequenceKind::kItems:
      BATUCADA_RETURN_IF_ERROR(out->Append(Concat(type, "([")));
      BATUCADA_RETURN_IF_ERROR(AppendItems(sequence.items, out));
      return out->Append("])");
    case SequenceKind::kRange:
    case SequenceKind::kGenerator: break;
  }
  return absl::InvalidArgumentError(Concat("a ", type, " cannot be printed; make it a list first"));
}

absl::Status AppendDict(const Dict& dict, TextBuilder* out) {
  std::string_view separator = "{";
  for (const auto& [key, value] : dict.entries()) {
    BATUCADA_RETURN_IF_ERROR(out->Append(separator));
    BATUCADA_RETURN_IF_ERROR(AppendRepr(key, out));
    BATUCADA_RETURN_IF_ERROR(out->Append(": "));
    BATUCADA_RETURN_IF_ERROR(AppendRepr(value, out));
    separator = ", ";
  }
  return out->Append(dict.entries().empty() ? "{}" : "}");
}

}  // namespace

absl::Status AppendStr(const Value& value, TextBuilder* out) {
  if (value.Is(Kind::kUndefined)) return absl::OkStatus();
  if (value.Is(Kind::kString)) return out->Append(value.text());
  return AppendRepr(value, out);
}

absl::Status AppendRepr(const Value& value, TextBuilder* out) {
  switch (value.kind()) {
    case Kind::kUndefined: return out->Append("Undefined");
    case Kind::kNone: return out->Append("None");
    case Kind::kBool: return out->Append(value.boolean() ? "True" : "False");
    case Kind::kInt: return out->Append(Concat(value.integer()));
    case Kind::kFloat: return out->Append(FloatRepr(value.real()));
    case Kind::kString: {
      if (!value.is_markup()) return AppendStringRepr(value.text(), out);
      BATUCADA_RETURN_IF_ERROR(out->Append("Markup("));
      BATUCADA_RETURN_IF_ERROR(AppendStringRepr(value.text(), out));
      return out->Append(")");
    }
    case Kind::kSequence: return AppendSequence(*value.sequence(), value.TypeName(), out);
    case Kind::kDict: return AppendDict(value.dict(), out);
    case Kind::kNamespace:
    case Kind::kCallable: break;
  }
  return absl::InvalidArgumentError(Concat("a ", value.TypeName(), " cannot be printed"));
}

absl::StatusOr<std::string> Str(Runtime& runtime, const Value& value) {
  if (value.Is(Kind::kString)) return value.text();
  TextBuilder out(&runtime);
  BATUCADA_RETURN_IF_ERROR(AppendStr(value, &out));
  return out.Take();
}

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 32> buffer = {};
  // The shortest digits, as d.ddde±xx; Python writes exponents from -4 to 15 out.
  const auto scientific =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string text(buffer.data(), scientific.ptr);
  const int exponent = std::atoi(text.c_str() + text.find('e') + 1);
  if (exponent < -4 || exponent >= 16) return text;
  std::array<char, 64> fixed_buffer = {};
  const auto fixed =
      std::to_chars(fixed_buffer.data(), fixed_buffer.data() + fixed_buffer.size(), value, std::chars_format::fixed);
  text.assign(fixed_buffer.data(), fixed.ptr);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string ShortRepr(std::string_view text) {
  constexpr size_t kLongest = 100;
  const size_t end = ByteOffset(text, kLongest);
  if (end == text.size()) return StringRepr(text);
  return StringRepr(Concat(text.substr(0, end), "…"));
}

}  // namespace batucada::jinja
