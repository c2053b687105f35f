#include "text/sentencepiece_model.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <utility>

#include "text/byte_fallback.h"

namespace batucada {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // ▁, U+2581

// Characters of a run that no token has: see SentencePieceModel::Encode.
constexpr size_t kMaxStrangeRun = 16 << 10;

bool HasByteTokens(const sentencepiece::SentencePieceProcessor& processor) {
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    if (processor.IsByte(id)) return true;
  }
  return false;
}

// Calls `look` with each character of UTF-8 as a number that is its own; of bytes that are none, with each.
template <typename Look>
void ForEachCharacter(std::string_view text, Look look) {
  for (size_t at = 0; at < text.size();) {
    uint32_t character = 0;
    size_t end = at;
    do {
      character = character << 8 | static_cast<unsigned char>(text[end++]);
    } while (end < text.size() && end - at < 4 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80);
    at = end;
    look(character);
  }
}

bool StartsMarked(std::string_view piece) { return piece.substr(0, kSpaceMark.size()) == kSpaceMark; }

}  // namespace

std::optional<SentencePieceModel> SentencePieceModel::Load(std::string_view model, std::string* error) {
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  if (const auto status = processor->LoadFromSerializedProto(model); !status.ok()) {
    *error = status.ToString();
    return std::nullopt;
  }
  // The library joins the unknown characters of a run to one token by copying what it has of the run for every
  // character: time squared in the length of the run. With byte tokens there are no unknown characters.
  std::unique_ptr<sentencepiece::SentencePieceProcessor> byte_encoder;
  if (HasByteTokens(*processor)) return SentencePieceModel(std::move(processor), nullptr, {});
  if (const std::optional<std::string> with_bytes = WithByteTokens(model)) {
    byte_encoder = std::make_unique<sentencepiece::SentencePieceProcessor>();
    if (!byte_encoder->LoadFromSerializedProto(*with_bytes).ok()) byte_encoder.reset();
  }
  std::unordered_set<uint32_t> known;
  if (byte_encoder == nullptr) known.insert(' ');  // which becomes the space mark
  for (int id = 0; id < processor->GetPieceSize() && byte_encoder == nullptr; ++id) {
    ForEachCharacter(processor->IdToPiece(id), [&](uint32_t character) { known.insert(character); });
  }
  return SentencePieceModel(std::move(processor), std::move(byte_encoder), std::move(known));
}

SentencePieceModel::SentencePieceModel(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor,
                                       std::unique_ptr<sentencepiece::SentencePieceProcessor> byte_encoder,
                                       std::unordered_set<uint32_t> known)
    : processor_(std::move(processor)), byte_encoder_(std::move(byte_encoder)), known_(std::move(known)),
      space_rules_(ProbeSpaceRules()) {}

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
  if (!known_.empty()) {
    size_t run = 0, longest = 0;
    ForEachCharacter(text, [&](uint32_t character) {
      run = known_.contains(character) ? 0 : run + 1;
      longest = std::max(longest, run);
    });
    if (longest > kMaxStrangeRun) {
      *error = "it has " + std::to_string(longest) + " characters in a row that are in no token: at most " +
               std::to_string(kMaxStrangeRun) + " may be";
      return false;
    }
  }
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
