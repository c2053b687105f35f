#include "text/sentencepiece_model.h"

#include <sentencepiece_processor.h>

#include <utility>

namespace batucada {
namespace {

// The library joins the unknown characters of a run to one token by copying what it has of the run for every character:
// time squared in the length of the run. A model with byte tokens has no unknown characters, so a model without them is
// given them for encoding, behind its own tokens. They take no part in the choice of tokens, which therefore stays the
// same, and every stretch of them is an unknown token.
std::string WithByteTokens(std::string_view model) {
  // Serialised messages one behind the other are one merged message: 256 more of `pieces` and a field of
  // `trainer_spec`.
  constexpr std::string_view kPieceHead = "\x0a\x0a\x0a\x06";      // pieces, 10 bytes: piece, 6 bytes
  constexpr std::string_view kByteKind = "\x18\x06";               // type: BYTE
  constexpr std::string_view kFallsBack = "\x12\x03\x98\x02\x01";  // trainer_spec, 3 bytes: byte_fallback: true
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string extended(model);
  for (size_t byte = 0; byte < 256; ++byte) {
    extended += kPieceHead;
    extended += {'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
    extended += kByteKind;
  }
  extended += kFallsBack;
  return extended;
}

// A token of the model's own that is spelled as a byte token, whatever its kind, would be mistaken for one.
bool SpellsBytes(const sentencepiece::SentencePieceProcessor& processor) {
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    const std::string& piece = processor.IdToPiece(id);
    if (processor.IsByte(id) || (piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with('>'))) return true;
  }
  return false;
}

bool StartsMarked(std::string_view piece) { return piece.substr(0, kSpaceMark.size()) == kSpaceMark; }

}  // namespace

std::optional<SentencePieceModel> SentencePieceModel::Load(std::string_view model, std::string* error) {
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  if (const auto status = processor->LoadFromSerializedProto(model); !status.ok()) {
    *error = status.ToString();
    return std::nullopt;
  }
  std::unique_ptr<sentencepiece::SentencePieceProcessor> byte_encoder;
  if (!SpellsBytes(*processor)) {
    byte_encoder = std::make_unique<sentencepiece::SentencePieceProcessor>();
    // A file may hold texts with their tokens, which the library checks; with unknown characters in them it refuses.
    if (!byte_encoder->LoadFromSerializedProto(WithByteTokens(model)).ok()) byte_encoder.reset();
  }
  return SentencePieceModel(std::move(processor), std::move(byte_encoder));
}

SentencePieceModel::SentencePieceModel(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor,
                                       std::unique_ptr<sentencepiece::SentencePieceProcessor> byte_encoder)
    : processor_(std::move(processor)), byte_encoder_(std::move(byte_encoder)), space_rules_(ProbeSpaceRules()) {}

SentencePieceModel::SentencePieceModel(SentencePieceModel&&) noexcept = default;
SentencePieceModel::~SentencePieceModel() = default;

int SentencePieceModel::size() const { return processor_->GetPieceSize(); }

SentencePieceModel::Kind SentencePieceModel::kind(int id) const {
  if (processor_->IsControl(id)) return Kind::kControl;
  if (processor_->IsUnknown(id)) return Kind::kUnknown;
  if (processor_->IsByte(id)) return Kind::kByte;
  return Kind::kOrdinary;
}

const std::string& SentencePieceModel::piece(int id) const { return processor_->IdToPiece(id); }

std::optional<int> SentencePieceModel::start_id() const {
  const int id = processor_->bos_id();
  if (id < 0) return std::nullopt;
  return id;
}

bool SentencePieceModel::Encode(std::string_view text, std::vector<int>* ids, std::string* error) const {
  const auto status = (byte_encoder_ ? *byte_encoder_ : *processor_).Encode(text, ids);
  if (!status.ok()) *error = status.ToString();
  if (!byte_encoder_) return status.ok();
  const int own = size(), unknown = processor_->unk_id();
  size_t kept = 0;
  bool in_run = false;
  for (const int id : *ids) {
    const bool is_byte = id >= own;
    if (!is_byte || !in_run) (*ids)[kept++] = is_byte ? unknown : id;
    in_run = is_byte;
  }
  ids->resize(kept);
  return status.ok();
}

std::string SentencePieceModel::Decode(const std::vector<int>& ids) const { return processor_->DecodeIds(ids); }

// The rules stand in fields of the file that the library does not show, so two decodings find them out.
SentencePieceModel::SpaceRules SentencePieceModel::ProbeSpaceRules() const {
  std::optional<int> marked;  // some piece such as "▁a"
  for (int id = 0; id < size() && !marked.has_value(); ++id) {
    const std::string_view text = piece(id);
    if (kind(id) == Kind::kOrdinary && StartsMarked(text) && text.size() > kSpaceMark.size() &&
        !StartsMarked(text.substr(kSpaceMark.size()))) {
      marked = id;
    }
  }
  SpaceRules rules;
  if (!marked.has_value()) return rules;
  const std::string alone = Decode({*marked});
  rules.drops_first = !alone.empty() && alone[0] != ' ';
  const int space = processor_->PieceToId(kSpaceMark);
  if (rules.drops_first && kind(space) == Kind::kOrdinary) rules.drops_until_text = Decode({space, *marked}) == alone;
  return rules;
}

}  // namespace batucada
