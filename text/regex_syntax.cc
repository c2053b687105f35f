#include "text/regex_syntax.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/json_cursor.h"

namespace batucada {
namespace {

// Inside of character classes. PCRE2's own \s has U+180E, which Unicode no longer calls a space, and its \w has no
// marks.
constexpr std::string_view kSpace =
    R"(\x09-\x0d\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x00-\x08\x0e-\x1f\x21-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
// Letters, marks, decimal and letter numbers, connectors, the circled letters that Unicode counts as alphabetic, and of
// other numbers, oddly, the six of Latin-1.
constexpr std::string_view kWord = R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})"
                                   R"(\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
constexpr std::string_view kHex = "0-9a-fA-F";

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (at_ < in_.size()) BATUCADA_RETURN_IF_ERROR(Next());
    return std::move(out_);
  }

 private:
  absl::Status Next() {
    const char c = in_[at_];
    switch (c) {
      case '\\': BeginAtom(); return Escape(/*in_class=*/false);
      case '[': BeginAtom(); return Class();
      case '(': return OpenGroup();
      case ')':
        if (!groups_.empty()) {
          atom_ = groups_.back();
          groups_.pop_back();
        }
        break;
      case '{': return Interval();
      case '*':
      case '+':
      case '?':
      case '|': break;
      default:
        BeginAtom();
        // A character of several bytes is one atom.
        while (at_ + 1 < in_.size() && (static_cast<unsigned char>(in_[at_ + 1]) & 0xC0) == 0x80) out_ += in_[at_++];
        break;
    }
    out_ += in_[at_++];
    return absl::OkStatus();
  }

  void BeginAtom() { atom_ = out_.size(); }

  absl::Status OpenGroup() {
    groups_.push_back(out_.size());
    out_ += in_[at_++];
    if (at_ >= in_.size() || in_[at_] != '?') return absl::OkStatus();
    out_ += in_[at_++];
    if (at_ >= in_.size()) return absl::OkStatus();  // PCRE2 will say what is wrong
    const std::string_view rest = in_.substr(at_);
    for (const std::string_view plain : {":", "=", "!", ">", "<=", "<!"}) {
      if (rest.substr(0, plain.size()) == plain) {
        out_ += plain;
        at_ += plain.size();
        return absl::OkStatus();
      }
    }
    const size_t flags = rest.find_first_not_of("imx-");
    if (flags == std::string_view::npos || flags == 0 || (rest[flags] != ':' && rest[flags] != ')')) {
      return Unsupported(Concat("(?", rest.substr(0, 1)));
    }
    // Ruby's m lets the dot match newlines, which PCRE2 calls s.
    for (const char flag : rest.substr(0, flags)) out_ += flag == 'm' ? 's' : flag;
    at_ += flags;
    if (rest[flags] == ')') groups_.pop_back();
    out_ += in_[at_++];
    return absl::OkStatus();
  }

  // {n,m} is the same in both, but what follows is not: in Ruby {n,m}+ repeats the interval and {n}? makes it optional.
  absl::Status Interval() {
    const size_t close = in_.find('}', at_);
    const std::string_view body = close == std::string_view::npos ? "" : in_.substr(at_ + 1, close - at_ - 1);
    const bool is_interval = body.find_first_not_of("0123456789,") == std::string_view::npos &&
                             body.find_first_of("0123456789") != std::string_view::npos;
    if (!is_interval) {  // a literal brace
      BeginAtom();
      out_ += Concat("\\{");
      ++at_;
      return absl::OkStatus();
    }
    out_ += Concat("{", body[0] == ',' ? "0" : "", body, "}");
    at_ = close + 1;
    if (at_ >= in_.size()) return absl::OkStatus();
    const bool exact = body.find(',') == std::string_view::npos;
    if (in_[at_] == '+' || (in_[at_] == '?' && exact)) {
      out_.insert(atom_, "(?:");
      out_ += Concat(")");
    }
    return absl::OkStatus();
  }

  absl::Status Class() {
    out_ += in_[at_++];
    if (at_ < in_.size() && in_[at_] == '^') out_ += in_[at_++];
    if (at_ < in_.size() && in_[at_] == ']') return Unsupported("an unescaped ] as the first of a class");
    while (at_ < in_.size() && in_[at_] != ']') {
      if (in_[at_] == '[') return Unsupported("a class or POSIX bracket inside a class");
      if (in_.substr(at_, 2) == "&&") return Unsupported("the class operator &&");
      if (in_[at_] == '\\') {
        BATUCADA_RETURN_IF_ERROR(Escape(/*in_class=*/true));
      } else {
        out_ += in_[at_++];
      }
    }
    if (at_ < in_.size()) out_ += in_[at_++];
    return absl::OkStatus();
  }

  absl::Status Escape(bool in_class) {
    if (at_ + 1 >= in_.size()) return absl::InvalidArgumentError("regular expression ends in a backslash");
    const char c = in_[at_ + 1];
    const auto set = [&](std::string_view members) {
      at_ += 2;
      out_ += Concat(in_class ? "" : "[", members, in_class ? "" : "]");
      return absl::OkStatus();
    };
    const auto complement = [&](std::string_view members) {
      if (in_class) return Unsupported(Concat("\\", std::string(1, c), " inside a class"));
      at_ += 2;
      out_ += Concat("[^", members, "]");
      return absl::OkStatus();
    };
    switch (c) {
      case 's': return set(kSpace);
      case 'S': return set(kNotSpace);
      case 'd': return set("\\p{Nd}");
      case 'D': return set("\\P{Nd}");
      case 'w': return set(kWord);
      case 'W': return complement(kWord);
      case 'h': return set(kHex);
      case 'H': return complement(kHex);
      case 'b':
      case 'B': return Boundary(c == 'b', in_class);
      case 'p':
      case 'P': return Property();
      case 'u': return CodeUnit();
      case 'x':
      case 't':
      case 'n':
      case 'r':
      case 'f':
      case 'v':
      case 'a':
      case 'e': break;
      case 'A':
      case 'z':
      case 'Z':
        if (!in_class) break;
        [[fallthrough]];
      default:
        if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
          return Unsupported(Concat("\\", std::string(1, c)));
        }
    }
    if (c == 'v') {  // a vertical tab in Oniguruma, any vertical space in PCRE2
      at_ += 2;
      out_ += Concat("\\x0b");
      return absl::OkStatus();
    }
    out_ += Concat(in_.substr(at_, 2));
    at_ += 2;
    if (c == 'x' && at_ < in_.size() && in_[at_] == '{') return CopyThrough('}');
    return absl::OkStatus();
  }

  absl::Status Boundary(bool at_boundary, bool in_class) {
    if (in_class) return Unsupported("\\b inside a class");
    at_ += 2;
    const std::string word = Concat("[", kWord, "]");
    if (at_boundary) {
      out_ += Concat("(?:(?<=", word, ")(?!", word, ")|(?<!", word, ")(?=", word, "))");
    } else {
      out_ += Concat("(?:(?<=", word, ")(?=", word, ")|(?<!", word, ")(?!", word, "))");
    }
    return absl::OkStatus();
  }

  // General categories are spelled alike. A longer name is a script, which PCRE2 would extend to characters it shares
  // with other scripts unless told otherwise.
  absl::Status Property() {
    const size_t close = in_.find('}', at_);
    if (in_.substr(at_ + 2, 1) != "{" || close == std::string_view::npos) return Unsupported("\\p without {name}");
    std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    const bool negated = !name.empty() && name[0] == '^';
    if (negated) name.remove_prefix(1);
    for (const char c : name) {
      if (!absl::ascii_isalpha(static_cast<unsigned char>(c)) && c != '_') {
        return Unsupported(Concat("property ", Quoted(name)));
      }
    }
    out_ += Concat(in_.substr(at_, 2), "{", negated ? "^" : "", name.size() > 2 ? "sc:" : "", name, "}");
    at_ = close + 1;
    return absl::OkStatus();
  }

  absl::Status CodeUnit() {
    const std::string_view digits = in_.substr(at_ + 2, 4);
    if (digits.size() < 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      return Unsupported("\\u without four digits");
    }
    out_ += Concat("\\x{", digits, "}");
    at_ += 6;
    return absl::OkStatus();
  }

  absl::Status CopyThrough(char last) {
    while (at_ < in_.size()) {
      out_ += in_[at_];
      if (in_[at_++] == last) break;
    }
    return absl::OkStatus();
  }

  absl::Status Unsupported(std::string_view what) const {
    return absl::UnimplementedError(
        Concat("regular expression ", Quoted(in_), ": ", what, " (at byte ", at_, ") is not supported"));
  }

  const std::string_view in_;
  size_t at_ = 0;
  std::string out_;
  size_t atom_ = 0;             // where in out_ the last atom begins, which a quantifier repeats
  std::vector<size_t> groups_;  // where in out_ the open groups begin
};

}  // namespace

absl::StatusOr<std::string> TranslateOniguruma(std::string_view pattern) { return Translator(pattern).Run(); }

}  // namespace batucada
