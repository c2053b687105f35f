#include "text/decoder.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/byte_level.h"
#include "text/hex_digit.h"
#include "text/text_pattern.h"
#include "text/utf8.h"

namespace batucada {
namespace {

constexpr size_t kMaxTokenText = 1 << 16;  // bytes that one token may stand for

// The byte of a token spelled <0xXX>.
std::optional<char> FallbackByte(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return std::nullopt;
  const int high = HexDigit(token[3]);
  const int low = HexDigit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

// `text` without up to `start` and `stop` of `strip` at its ends.
std::string_view StripToken(std::string_view text, char32_t strip, int start, int stop) {
  for (; start > 0 && !text.empty(); --start) {
    size_t next = 0;
    if (NextCodepoint(text, &next) != strip) break;
    text.remove_prefix(next);
  }
  std::string bytes;
  AppendUtf8(strip, &bytes);
  for (; stop > 0 && !text.empty() && LastCodepoint(text) == strip; --stop) text.remove_suffix(bytes.size());
  return text;
}

std::string MarksToSpaces(std::string_view text, char32_t mark, bool drop) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const char32_t codepoint = NextCodepoint(text, &i);
    if (codepoint != mark) {
      AppendUtf8(codepoint, &result);
    } else if (!drop) {
      result += ' ';
    }
  }
  return result;
}

}  // namespace

Decoder Decoder::Parse(const JsonCursor& json) {
  Decoder decoder;
  if (json.absent()) {
    decoder.steps_.emplace_back(SpaceBetween{});
  } else {
    decoder.ParseStep(json);
  }
  return decoder;
}

void Decoder::ParseStep(const JsonCursor& json) {
  if (steps_.size() == kMaxSteps) return json.Fail(Concat("more than ", kMaxSteps, " decoders"));
  const std::string_view type = json["type"].String();
  if (type == "Sequence") {
    for (const JsonCursor& step : json["decoders"].Elements()) ParseStep(step);
    return;
  }
  if (type == "Fuse") {
    fused_ = true;
    return;
  }
  if (type == "Strip") return ParseStrip(json);
  // What follows acts on single tokens, in an order that keeps it so.
  if (fused_) return json.Unsupported(Concat("decoder ", Quoted(type), " behind Fuse or ByteLevel"));
  if (type == "ByteLevel") {
    if (has_byte_fallback_) return json.Unsupported("decoder ByteLevel behind ByteFallback");
    steps_.emplace_back(ByteLevel{});
    fused_ = true;
  } else if (type == "ByteFallback") {
    steps_.emplace_back(ByteFallback{});
    has_byte_fallback_ = true;
    rules_.bad_bytes = BadBytes::kOnePerByte;
  } else if (type == "Replace") {
    if (has_byte_fallback_) return json.Unsupported("decoder Replace behind ByteFallback");
    steps_.emplace_back(
        Replace{.pattern = ParsePattern(json["pattern"]), .content = std::string(json["content"].String())});
  } else if (type == "Metaspace") {
    const std::string_view scheme = json["prepend_scheme"].String("always");
    const bool prepends = scheme != "never" && json["add_prefix_space"].Bool(true);
    steps_.emplace_back(Metaspace{.mark = json["replacement"].Character(), .drop_at_start = prepends});
  } else {
    json.Unsupported(Concat("decoder ", Quoted(type)));
  }
}

void Decoder::ParseStrip(const JsonCursor& json) {
  const Strip strip{.content = json["content"].Character(),
                    .start = static_cast<int>(json["start"].Int(0, 1024)),
                    .stop = static_cast<int>(json["stop"].Int(0, 1024))};
  if (!fused_) {
    if (has_byte_fallback_) return json.Unsupported("decoder Strip between ByteFallback and Fuse");
    steps_.emplace_back(strip);
  } else if (rules_.strip_start > 0 || rules_.strip_stop > 0) {
    json.Unsupported("a second decoder Strip behind Fuse");
  } else {
    rules_.strip_char = strip.content;
    rules_.strip_start = strip.start;
    rules_.strip_stop = strip.stop;
  }
}

absl::StatusOr<Decoder::Contribution> Decoder::Run(std::string_view spelling, bool at_start,
                                                   RegexScratch* scratch) const {
  Contribution token{.bytes = std::string(spelling)};
  for (const Step& step : steps_) {
    if (const auto* replace = std::get_if<Replace>(&step)) {
      BATUCADA_ASSIGN_OR_RETURN(token.bytes,
                                ReplaceAll(replace->pattern, replace->content, token.bytes, kMaxTokenText, scratch));
    } else if (const auto* strip = std::get_if<Strip>(&step)) {
      token.bytes = std::string(StripToken(token.bytes, strip->content, strip->start, strip->stop));
    } else if (const auto* metaspace = std::get_if<Metaspace>(&step)) {
      token.bytes = MarksToSpaces(token.bytes, metaspace->mark, at_start && metaspace->drop_at_start);
    } else if (std::holds_alternative<SpaceBetween>(step)) {
      if (!at_start) token.bytes = Concat(" ", token.bytes);
    } else if (std::holds_alternative<ByteFallback>(step)) {
      if (const std::optional<char> byte = FallbackByte(token.bytes)) {
        return Contribution{.bytes = std::string(1, *byte), .kind = TokenKind::kBytes};
      }
    } else {  // ByteLevel: a token with any character outside the alphabet, such as a special one, is plain text
      token.bytes = ByteLevelDecode(token.bytes).value_or(token.bytes);
      token.kind = TokenKind::kBytes;
    }
  }
  return token;
}

absl::Status Decoder::Fold(std::string_view spelling, RegexScratch* scratch, TokenTable::Entry* entry) const {
  BATUCADA_ASSIGN_OR_RETURN(Contribution inside, Run(spelling, /*at_start=*/false, scratch));
  BATUCADA_ASSIGN_OR_RETURN(Contribution start, Run(spelling, /*at_start=*/true, scratch));
  entry->kind = inside.kind;
  entry->bytes = std::move(inside.bytes);
  entry->start_bytes = std::move(start.bytes);
  return absl::OkStatus();
}

}  // namespace batucada
