#include "text/hex_digit.h"
#include "text/jinja/parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/status.h"
#include "text/jinja/text.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Every line ending as \n, and without the one at the very end.
std::string NormalizedLines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (position_ < source_.size()) BATUCADA_RETURN_IF_ERROR(ReadTextAndTag());
    Add(TokenKind::kEnd, source_.size());
    return std::move(tokens_);
  }

 private:
  absl::Status ReadTextAndTag() {
    const size_t tag = FindTag(position_);
    if (tag == std::string_view::npos) {
      AddText(position_, source_.substr(position_));
      position_ = source_.size();
      return absl::OkStatus();
    }
    const char type = source_[tag + 1];
    const std::string_view text = source_.substr(position_, tag - position_);
    AddText(position_, StrippedBefore(text, SignAt(tag + 2), /*blanks=*/type != '{'));
    position_ = tag + 2 + (SignAt(tag + 2) != 0);
    if (type == '#') return SkipComment(tag);
    if (type == '{') {
      Add(TokenKind::kVariableBegin, tag);
      return ReadTag(TokenKind::kVariableEnd, tag);
    }
    if (const size_t raw = EndOfWordTag(tag, "raw"); raw != 0) return ReadRaw(tag, raw);
    Add(TokenKind::kBlockBegin, tag);
    return ReadTag(TokenKind::kBlockEnd, tag);
  }

  size_t FindTag(size_t begin) const {
    size_t tag = source_.find('{', begin);
    while (tag != std::string_view::npos && !StartsAt(tag + 1, '{') && !StartsAt(tag + 1, '%') &&
           !StartsAt(tag + 1, '#')) {
      tag = source_.find('{', tag + 1);
    }
    return tag;
  }

  // What is left of the text before a tag. `blanks`: the tag drops the blanks before it when it begins a line.
  std::string_view StrippedBefore(std::string_view text, char sign, bool blanks) const {
    if (sign == '-') return StrippedRight(text);
    if (sign == '+' || !blanks) return text;
    const size_t newline = text.rfind('\n');
    if (newline == std::string_view::npos && !line_starting_) return text;
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    return StrippedLeft(text.substr(line)).empty() ? text.substr(0, line) : text;
  }

  // Moves behind a tag's end: past one newline, or past all white space if it ends with `-`.
  void SkipAfterTag(size_t end, char sign, bool newline) {
    position_ = end;
    if (sign == '-') {
      position_ = source_.size() - StrippedLeft(source_.substr(end)).size();
    } else if (newline && sign != '+' && StartsAt(position_, '\n')) {
      ++position_;
    }
    line_starting_ = source_[position_ - 1] == '\n';
  }

  absl::Status SkipComment(size_t tag) {
    const size_t end = source_.find("#}", position_);
    if (end == std::string_view::npos) return SyntaxError(Locate(tag), "this comment has no end: #} is missing");
    const char before = end > position_ ? source_[end - 1] : '\0';
    SkipAfterTag(end + 2, before, /*newline=*/true);
    return absl::OkStatus();
  }

  // Behind the %} of `{% word %}`, with any signs, if that is what stands at `tag`; else 0.
  size_t EndOfWordTag(size_t tag, std::string_view word) const {
    size_t i = tag + 2 + (SignAt(tag + 2) != 0);
    i = SkipSpace(i);
    if (!source_.substr(i).starts_with(word)) return 0;
    i = SkipSpace(i + word.size());
    if (SignAt(i) != 0) ++i;
    return source_.substr(i).starts_with("%}") ? i + 2 : 0;
  }

  absl::Status ReadRaw(size_t tag, size_t begin) {
    SkipAfterTag(begin, source_[begin - 3], /*newline=*/false);
    for (size_t end = source_.find("{%", position_); end != std::string_view::npos; end = source_.find("{%", end + 1)) {
      const size_t after = EndOfWordTag(end, "endraw");
      if (after == 0) continue;
      const std::string_view text = source_.substr(position_, end - position_);
      AddText(position_, StrippedBefore(text, SignAt(end + 2), /*blanks=*/true));
      SkipAfterTag(after, source_[after - 3], /*newline=*/true);
      return absl::OkStatus();
    }
    return SyntaxError(Locate(tag), "this raw block has no end: {% endraw %} is missing");
  }

  // Everything up to the end of a tag. Inside brackets, what looks like the end is not.
  absl::Status ReadTag(TokenKind end_kind, size_t tag) {
    const std::string_view closing = end_kind == TokenKind::kVariableEnd ? "}}" : "%}";
    std::string open;
    while (true) {
      position_ = SkipSpace(position_);
      if (position_ >= source_.size()) {
        return SyntaxError(Locate(tag), Concat("this tag has no end: ", closing, " is missing"));
      }
      const char c = source_[position_];
      // A variable's end knows no `+`: that is an operator there.
      const bool sign = c == '-' || (c == '+' && end_kind == TokenKind::kBlockEnd);
      if (open.empty() && source_.substr(position_ + sign).starts_with(closing)) {
        Add(end_kind, position_);
        SkipAfterTag(position_ + sign + 2, sign ? c : '\0', /*newline=*/end_kind == TokenKind::kBlockEnd);
        return absl::OkStatus();
      }
      if (IsDigit(c)) {
        BATUCADA_RETURN_IF_ERROR(AddNumber());
      } else if (c == '\'' || c == '"') {
        BATUCADA_RETURN_IF_ERROR(ReadString(c));
      } else if (const size_t name = EndOfName(position_); name > position_) {
        Add(TokenKind::kName, position_).text = source_.substr(position_, name - position_);
        position_ = name;
      } else {
        BATUCADA_RETURN_IF_ERROR(ReadOperator(&open));
      }
    }
  }

  absl::Status ReadOperator(std::string* open) {
    static constexpr std::array<std::string_view, 26> kOperators = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                                    "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                                    ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const std::string_view rest = source_.substr(position_);
    for (const std::string_view op : kOperators) {
      if (!rest.starts_with(op)) continue;
      const char c = op[0];
      if (c == '(') *open += ')';
      if (c == '[') *open += ']';
      if (c == '{') *open += '}';
      if (c == ')' || c == ']' || c == '}') {
        if (open->empty()) return SyntaxError(Locate(position_), Concat("unexpected '", op, "'"));
        if (open->back() != c) {
          return SyntaxError(Locate(position_),
                             Concat("unexpected '", op, "', expected '", std::string_view(&open->back(), 1), "'"));
        }
        open->pop_back();
      }
      Add(TokenKind::kOperator, position_).text = op;
      position_ += op.size();
      return absl::OkStatus();
    }
    size_t end = position_;
    NextCodepoint(source_, &end);
    return SyntaxError(Locate(position_),
                       Concat("unexpected character '", source_.substr(position_, end - position_), "'"));
  }

  absl::Status ReadString(char quote) {
    size_t end = position_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return SyntaxError(Locate(position_), "this string has no end");
    const std::string_view literal = source_.substr(position_ + 1, end - position_ - 1);
    BATUCADA_ASSIGN_OR_RETURN(std::string text, Unescape(literal, Locate(position_)));
    Add(TokenKind::kString, position_).text = std::move(text);
    position_ = end + 1;
    return absl::OkStatus();
  }

  absl::Status AddNumber() {
    BATUCADA_ASSIGN_OR_RETURN(const NumberLiteral number, ReadNumber(source_, position_, Locate(position_)));
    Token& token = Add(number.is_float ? TokenKind::kFloat : TokenKind::kInteger, position_);
    token.integer = number.integer;
    token.real = number.real;
    position_ = number.end;
    return absl::OkStatus();
  }

  size_t EndOfName(size_t begin) const {
    size_t end = begin;
    while (end < source_.size()) {
      size_t next = end;
      const char32_t c = NextCodepoint(source_, &next);
      if (c != U'_' && !IsWordCharacter(c)) break;
      end = next;
    }
    return end;
  }

  size_t SkipSpace(size_t i) const {
    return i >= source_.size() ? i : source_.size() - StrippedLeft(source_.substr(i)).size();
  }
  bool StartsAt(size_t i, char c) const { return i < source_.size() && source_[i] == c; }
  char SignAt(size_t i) const { return StartsAt(i, '-') || StartsAt(i, '+') ? source_[i] : '\0'; }

  Token& Add(TokenKind kind, size_t offset) {
    tokens_.push_back({.kind = kind, .where = Locate(offset)});
    return tokens_.back();
  }

  void AddText(size_t offset, std::string_view text) {
    if (!text.empty()) Add(TokenKind::kText, offset).text = text;
  }

  // Offsets come in growing order, so that all of them together cost one pass; one that lies before is an error's.
  SourceLocation Locate(size_t offset) {
    if (offset < located_) {
      located_ = 0;
      location_ = {};
    }
    for (; located_ < offset; ++located_) {
      const auto c = static_cast<unsigned char>(source_[located_]);
      if (c == '\n') {
        ++location_.line;
        location_.column = 1;
      } else if ((c & 0xC0) != 0x80) {
        ++location_.column;
      }
    }
    return location_;
  }

  const std::string_view source_;
  size_t position_ = 0;
  bool line_starting_ = true;  // nothing, or a newline that a tag took along, is before position_
  size_t located_ = 0;         // location_ is this offset's
  SourceLocation location_;
  std::vector<Token> tokens_;
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source) {
  const std::string lines = NormalizedLines(source);
  return Lexer(lines).Run();
}

std::string Describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kText: return "text";
    case TokenKind::kVariableBegin: return "'{{'";
    case TokenKind::kVariableEnd: return "'}}'";
    case TokenKind::kBlockBegin: return "'{%'";
    case TokenKind::kBlockEnd: return "'%}'";
    case TokenKind::kString: return "a string";
    case TokenKind::kInteger:
    case TokenKind::kFloat: return "a number";
    case TokenKind::kName:
    case TokenKind::kOperator: return Concat("'", token.text, "'");
    case TokenKind::kEnd: return "the end of the template";
  }
  return "something else";
}

namespace {

// Reads exactly `count` hexadecimal digits at *position.
absl::StatusOr<char32_t> ReadHex(std::string_view literal, int count, size_t* position, SourceLocation where) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) {
    const int digit = *position < literal.size() ? HexDigit(literal[*position]) : -1;
    if (digit < 0) return SyntaxError(where, "a \\x, \\u or \\U in this string lacks hexadecimal digits");
    value = value * 16 + static_cast<uint32_t>(digit);
    ++*position;
  }
  if (value > 0x10FFFF) return SyntaxError(where, "a \\U in this string is beyond U+10FFFF");
  if (value >= 0xD800 && value < 0xE000) {
    return UnsupportedError(where, "half of a surrogate pair in a string; write the character itself or \\U");
  }
  return value;
}

char32_t ReadOctal(std::string_view literal, size_t* position) {
  char32_t value = 0;
  for (int i = 0; i < 3 && *position < literal.size(); ++i, ++*position) {
    const char c = literal[*position];
    if (c < '0' || c > '7') break;
    value = value * 8 + static_cast<char32_t>(c - '0');
  }
  return value;
}

}  // namespace

absl::StatusOr<std::string> Unescape(std::string_view literal, SourceLocation where) {
  static constexpr std::string_view kLetters = "\\'\"abfnrtv";
  static constexpr std::string_view kValues = "\\'\"\a\b\f\n\r\t\v";
  std::string out;
  out.reserve(literal.size());
  size_t i = 0;
  while (i < literal.size()) {
    if (literal[i] != '\\') {
      out += literal[i++];
      continue;
    }
    ++i;  // the lexer saw to it that something follows
    const char c = literal[i];
    if (const size_t simple = kLetters.find(c); simple != std::string_view::npos) {
      out += kValues[simple];
      ++i;
    } else if (c == '\n') {
      ++i;
    } else if (c == 'x' || c == 'u' || c == 'U') {
      ++i;
      BATUCADA_ASSIGN_OR_RETURN(const char32_t codepoint,
                                ReadHex(literal, c == 'x' ? 2 : (c == 'u' ? 4 : 8), &i, where));
      AppendUtf8(codepoint, &out);
    } else if (c >= '0' && c <= '7') {
      AppendUtf8(ReadOctal(literal, &i), &out);
    } else if (c == 'N' || static_cast<unsigned char>(c) >= 0x80) {
      return UnsupportedError(where, "a string escape (\\N or a backslash before a character that is not ASCII)");
    } else {
      out += '\\';
    }
  }
  return out;
}

namespace {

constexpr std::string_view kDecimal = "0123456789";

char At(std::string_view source, size_t i) { return i < source.size() ? source[i] : '\0'; }

// Copies characters of `digits`, one underscore allowed between two. Returns the offset behind the last.
size_t CopyDigits(std::string_view source, size_t begin, std::string_view digits, std::string* out) {
  size_t i = begin;
  while (i < source.size()) {
    const size_t digit = i > begin && source[i] == '_' ? i + 1 : i;
    if (digit >= source.size() || digits.find(source[digit]) == std::string_view::npos) break;
    *out += source[digit];
    i = digit + 1;
  }
  return i;
}

// Adds a fraction and an exponent that follow the digits before `begin`. Returns the offset behind them.
size_t CopyFraction(std::string_view source, size_t begin, std::string* out) {
  size_t end = begin;
  if (At(source, end) == '.' && IsDigit(At(source, end + 1))) {
    *out += '.';
    end = CopyDigits(source, end + 1, kDecimal, out);
  }
  if (At(source, end) != 'e' && At(source, end) != 'E') return end;
  const char sign = At(source, end + 1);
  const size_t first = end + 1 + (sign == '+' || sign == '-' ? 1 : 0);
  if (!IsDigit(At(source, first))) return end;
  *out += sign == '-' ? "e-" : "e";
  return CopyDigits(source, first, kDecimal, out);
}

struct Base {
  char letter;
  int value;
  std::string_view digits;
};
constexpr Base kBases[] = {{'b', 2, "01"}, {'o', 8, "01234567"}, {'x', 16, "0123456789abcdefABCDEF"}};

}  // namespace

absl::StatusOr<NumberLiteral> ReadNumber(std::string_view source, size_t begin, SourceLocation where) {
  std::string text;
  size_t end = CopyDigits(source, begin, kDecimal, &text);
  int base = 10;

  // Not behind a dot: `a.0.1` is an element of an element.
  std::string real_text = text;
  const size_t real_end = begin > 0 && source[begin - 1] == '.' ? end : CopyFraction(source, end, &real_text);
  if (real_end != end) {
    NumberLiteral number = {.end = real_end, .is_float = true};
    number.real = std::strtod(real_text.c_str(), nullptr);  // infinite or zero beyond the range, as in Python
    return number;
  }

  if (source[begin] == '0') {
    text.clear();
    end = CopyDigits(source, begin, "0", &text);  // 0_0; a digit after it is another token, and an error
    for (const Base& candidate : kBases) {
      if ((At(source, begin + 1) | 0x20) != candidate.letter) continue;
      std::string digits;
      const size_t first = begin + 2 + (At(source, begin + 2) == '_' ? 1 : 0);
      const size_t last = CopyDigits(source, first, candidate.digits, &digits);
      if (digits.empty()) continue;
      text = digits;
      end = last;
      base = candidate.value;
    }
  }
  NumberLiteral number = {.end = end};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number.integer, base);
  if (result.ec != std::errc()) return UnsupportedError(where, "an integer of more than 64 bits");
  return number;
}

}  // namespace batucada::jinja
