#include "text/byte_fallback.h"

#include <cstdint>

namespace batucada {
namespace {

// sentencepiece_model.proto
constexpr uint64_t kPieces = 1, kSelfTestData = 4;           // of ModelProto
constexpr uint64_t kPiece = 1, kType = 3;                    // of SentencePiece
constexpr uint64_t kNormal = 1, kUnknown = 2, kControl = 3;  // its types
constexpr std::string_view kDigits = "0123456789ABCDEF";

struct Field {
  uint64_t number = 0;
  uint64_t value = 0;        // of a number
  std::string_view content;  // of a string or a message
  std::string_view whole;    // with its tag
};

bool TakeVarint(std::string_view* wire, uint64_t* value) {
  *value = 0;
  for (size_t i = 0; i < wire->size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>((*wire)[i]);
    *value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte >= 0x80) continue;
    wire->remove_prefix(i + 1);
    return true;
  }
  return false;
}

// The next field of a serialised message; none at its end, or where it is not one.
std::optional<Field> TakeField(std::string_view* wire) {
  constexpr uint64_t kVarint = 0, kFixed64 = 1, kDelimited = 2, kFixed32 = 5;
  const std::string_view before = *wire;
  Field field;
  uint64_t tag = 0, size = 0;
  if (!TakeVarint(wire, &tag)) return std::nullopt;
  field.number = tag >> 3;
  switch (tag & 7) {
    case kVarint:
      if (!TakeVarint(wire, &field.value)) return std::nullopt;
      break;
    case kFixed64: size = 8; break;
    case kFixed32: size = 4; break;
    case kDelimited:
      if (!TakeVarint(wire, &size)) return std::nullopt;
      break;
    default: return std::nullopt;
  }
  if (size > wire->size()) return std::nullopt;
  field.content = wire->substr(0, size);
  wire->remove_prefix(size);
  field.whole = before.substr(0, before.size() - wire->size());
  return field;
}

bool SpellsByte(std::string_view piece) {
  return piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>') &&
         kDigits.find(piece[3]) != kDigits.npos && kDigits.find(piece[4]) != kDigits.npos;
}

}  // namespace

std::optional<std::string> WithByteTokens(std::string_view model) {
  std::string extended;
  extended.reserve(model.size() + (8 << 10));
  while (!model.empty()) {
    const std::optional<Field> field = TakeField(&model);
    if (!field) return std::nullopt;
    if (field->number == kSelfTestData) continue;
    const size_t begin = extended.size();
    extended += field->whole;
    if (field->number != kPieces) continue;
    std::string_view piece;
    uint64_t type = kNormal;
    std::string_view rest = field->content;
    while (const std::optional<Field> part = TakeField(&rest)) {
      if (part->number == kPiece) piece = part->content;
      if (part->number == kType) type = part->value;
    }
    if (!SpellsByte(piece)) continue;
    if (type != kControl && type != kUnknown) return std::nullopt;
    // As long as before, so that no length changes; and unlike the others'.
    extended[begin + static_cast<size_t>(piece.data() - field->whole.data())] = '\x01';
  }
  // Serialised messages one behind the other are one merged message: 256 more of `pieces` and a field of
  // `trainer_spec`.
  constexpr std::string_view kPieceHead = "\x0a\x0a\x0a\x06";      // pieces, 10 bytes: piece, 6 bytes
  constexpr std::string_view kByteKind = "\x18\x06";               // type: BYTE
  constexpr std::string_view kFallsBack = "\x12\x03\x98\x02\x01";  // trainer_spec, 3 bytes: byte_fallback: true
  for (size_t byte = 0; byte < 256; ++byte) {
    extended += kPieceHead;
    extended += {'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
    extended += kByteKind;
  }
  extended += kFallsBack;
  return extended;
}

}  // namespace batucada
