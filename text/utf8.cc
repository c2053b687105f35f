#include "text/utf8.h"

#include <cstring>

namespace batucada {
namespace {

struct Lead {
  int size;           // bytes of the character; 0 if this byte begins none
  uint8_t low, high;  // what the second byte may be: excludes overlong forms, surrogates and values above U+10FFFF
};

constexpr Lead LeadOf(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// Bytes of plain ASCII at the start of `text`, counted eight at a time.
size_t AsciiPrefix(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, sizeof(word));
    if ((word & 0x8080808080808080u) != 0) break;
  }
  while (i < text.size() && static_cast<uint8_t>(text[i]) < 0x80) ++i;
  return i;
}

}  // namespace

std::optional<size_t> FindInvalidUtf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    i += AsciiPrefix(text.substr(i));
    if (i == text.size()) break;
    const Lead lead = LeadOf(static_cast<uint8_t>(text[i]));
    if (lead.size == 0 || i + static_cast<size_t>(lead.size) > text.size()) return i;
    const auto second = static_cast<uint8_t>(text[i + 1]);
    if (second < lead.low || second > lead.high) return i;
    for (int k = 2; k < lead.size; ++k) {
      if ((static_cast<uint8_t>(text[i + static_cast<size_t>(k)]) & 0xC0) != 0x80) return i;
    }
    i += static_cast<size_t>(lead.size);
  }
  return std::nullopt;
}

char32_t NextCodepoint(std::string_view text, size_t* offset) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data()) + *offset;
  if (p[0] < 0x80) {
    *offset += 1;
    return p[0];
  }
  if (p[0] < 0xE0) {
    *offset += 2;
    return static_cast<char32_t>((p[0] & 0x1F) << 6 | (p[1] & 0x3F));
  }
  if (p[0] < 0xF0) {
    *offset += 3;
    return static_cast<char32_t>((p[0] & 0x0F) << 12 | (p[1] & 0x3F) << 6 | (p[2] & 0x3F));
  }
  *offset += 4;
  return static_cast<char32_t>((p[0] & 0x07) << 18 | (p[1] & 0x3F) << 12 | (p[2] & 0x3F) << 6 | (p[3] & 0x3F));
}

size_t CountCharacters(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

char32_t LastCodepoint(std::string_view text) {
  size_t begin = text.size() - 1;
  while ((static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
  return NextCodepoint(text, &begin);
}

void AppendUtf8(char32_t codepoint, std::string* out) {
  const auto tail = [&](int shift) { out->push_back(static_cast<char>(0x80 | ((codepoint >> shift) & 0x3F))); };
  if (codepoint < 0x80) {
    out->push_back(static_cast<char>(codepoint));
  } else if (codepoint < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (codepoint >> 6)));
    tail(0);
  } else if (codepoint < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (codepoint >> 12)));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xF0 | (codepoint >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

void Utf8Assembler::Append(std::string_view bytes, std::string* out) {
  if (pending_size_ == 0) {
    const size_t ascii = AsciiPrefix(bytes);
    out->append(bytes.substr(0, ascii));
    bytes.remove_prefix(ascii);
  }
  for (const char byte : bytes) AppendByte(static_cast<uint8_t>(byte), out);
}

void Utf8Assembler::AppendByte(uint8_t byte, std::string* out) {
  if (pending_size_ > 0) {
    if (byte >= low_ && byte <= high_) {
      pending_[pending_size_++] = static_cast<char>(byte);
      low_ = 0x80;
      high_ = 0xBF;
      if (pending_size_ == pending_need_) {
        out->append(pending_, static_cast<size_t>(pending_size_));
        pending_size_ = 0;
      }
      return;
    }
    Flush(out);  // and this byte is looked at afresh
  }
  const Lead lead = LeadOf(byte);
  if (lead.size == 0) {
    out->append(kReplacementCharacter);
  } else if (lead.size == 1) {
    out->push_back(static_cast<char>(byte));
  } else {
    pending_[0] = static_cast<char>(byte);
    pending_size_ = 1;
    pending_need_ = lead.size;
    low_ = lead.low;
    high_ = lead.high;
  }
}

void Utf8Assembler::Flush(std::string* out) {
  if (pending_size_ == 0) return;
  const int count = bad_bytes_ == BadBytes::kOnePerByte ? pending_size_ : 1;
  for (int i = 0; i < count; ++i) out->append(kReplacementCharacter);
  pending_size_ = 0;
}

}  // namespace batucada
