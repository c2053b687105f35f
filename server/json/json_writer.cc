#include "server/json/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>

namespace batucada {
namespace {

template <typename T>
void AppendNumber(T value, std::string* out) {
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  out->append(buffer.data(), result.ptr);
}

// Line ends of Unicode's: clients that read a stream by lines may end them there, too.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kLineEnds = {
    {{"\xc2\x85", "\\u0085"}, {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"}}};

constexpr bool BeginsLineEnd(char c) { return c == '\xc2' || c == '\xe2'; }

// The one that `text` begins with, or nullptr.
const std::pair<std::string_view, std::string_view>* LineEndOf(std::string_view text) {
  const auto* const end =
      std::find_if(kLineEnds.begin(), kLineEnds.end(), [text](const auto& one) { return text.starts_with(one.first); });
  return end == kLineEnds.end() ? nullptr : end;
}

bool NeedsEscape(char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || BeginsLineEnd(c); }

// Whether one of eight bytes does: the usual arithmetic on words for "a byte of it is less than", of which equality is
// a case. A byte of 0x80 or more does not, but for those that may begin a line end.
bool OneNeedsEscape(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const auto below = [](uint64_t bytes, uint64_t limit) { return (bytes - limit * kOnes) & ~bytes; };
  const auto has = [&](unsigned char byte) { return below(word ^ byte * kOnes, 1); };
  return ((below(word, 0x20) | has('"') | has('\\') | has(0xc2) | has(0xe2)) & 0x80 * kOnes) != 0;
}

// How many bytes there are before the first that needs an escape.
size_t PlainBytes(std::string_view text) {
  size_t plain = 0;
  for (; plain + sizeof(uint64_t) <= text.size(); plain += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + plain, sizeof word);
    if (OneNeedsEscape(word)) break;
  }
  while (plain < text.size() && !NeedsEscape(text[plain])) ++plain;
  return plain;
}

// JSON on one line: ends of lines stand between its values, where they say nothing, or, of Unicode's, in strings.
void AppendJson(std::string_view json, std::string* out) {
  size_t copied = 0;
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '\n' || json[i] == '\r') {
      out->append(json.substr(copied, i - copied));
      copied = i + 1;
    }
    if (!BeginsLineEnd(json[i])) [[likely]]
      continue;
    const auto* const end = LineEndOf(json.substr(i));
    if (end == nullptr) continue;
    out->append(json.substr(copied, i - copied)).append(end->second);
    i += end->first.size() - 1;
    copied = i + 1;
  }
  out->append(json.substr(copied));
}

void AppendEscaped(std::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  size_t copied = 0;
  for (size_t i = PlainBytes(text); i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    if (!NeedsEscape(text[i])) [[likely]]
      continue;
    if (BeginsLineEnd(text[i])) {
      if (const auto* end = LineEndOf(text.substr(i)); end != nullptr) {
        out->append(text.substr(copied, i - copied)).append(end->second);
        i += end->first.size() - 1;
        copied = i + 1;
      }
      continue;
    }
    out->append(text.substr(copied, i - copied));
    copied = i + 1;
    switch (c) {
      case '"': *out += "\\\""; break;
      case '\\': *out += "\\\\"; break;
      case '\n': *out += "\\n"; break;
      case '\r': *out += "\\r"; break;
      case '\t': *out += "\\t"; break;
      default:
        *out += "\\u00";
        *out += kHex[c >> 4];
        *out += kHex[c & 15];
    }
  }
  out->append(text.substr(copied));
}

}  // namespace

std::string_view CutAtCharacter(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  constexpr size_t kLongest = 4;  // bytes of a character
  size_t end = most;
  while (most - end < kLongest && end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

JsonWriter& JsonWriter::Open(char bracket) {
  Separate();
  out_ += bracket;
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::Close(char bracket) {
  out_ += bracket;
  need_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view name) {
  String(name);
  out_ += ':';
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::PlainKey(std::string_view name) {
  Separate();
  out_ += '"';
  out_.append(name).append("\":");
  need_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::String(std::string_view text) {
  Separate();
  out_ += '"';
  AppendEscaped(text, &out_);
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::BeginString() {
  Separate();
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::AddToString(std::string_view part) {
  AppendEscaped(part, &out_);
  return *this;
}

JsonWriter& JsonWriter::EndString() {
  out_ += '"';
  return *this;
}

Pieces JsonWriter::LongString(std::string_view text) {
  BeginString();
  while (!text.empty()) {
    const std::string_view part = CutAtCharacter(text, kPartBytes);
    AddToString(part);
    text.remove_prefix(part.size());
    if (full()) co_yield nullptr;
  }
  EndString();
}

JsonWriter& JsonWriter::Int(int64_t value) {
  Separate();
  AppendNumber(value, &out_);
  return *this;
}

JsonWriter& JsonWriter::Number(float value) {
  Separate();
  AppendNumber(std::isfinite(value) ? value : -9999.0F, &out_);
  return *this;
}

JsonWriter& JsonWriter::Bool(bool value) { return Raw(value ? "true" : "false"); }

JsonWriter& JsonWriter::Null() { return Raw("null"); }

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Separate();
  AppendJson(json, &out_);
  return *this;
}

JsonWriter& JsonWriter::Begin(std::string_view json) {
  out_ += json;
  need_comma_ = false;
  return *this;
}

}  // namespace batucada
