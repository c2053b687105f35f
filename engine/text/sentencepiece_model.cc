#include "engine/text/sentencepiece_model.h"

#include <sentencepiece_processor.h>

#include <utility>

namespace batucada {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // ▁, U+2581

bool StartsMarked(std::string_view piece) { return piece.substr(0, kSpaceMark.size()) == kSpaceMark; }

}  // namespace

std::optional<SentencePieceModel> SentencePieceModel::Load(std::string_view model, std::string* error) {
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  if (const auto status = processor->LoadFromSerializedProto(model); !status.ok()) {
    *error = status.ToString();
    return std::nullopt;
  }
  return SentencePieceModel(std::move(processor));
}

SentencePieceModel::SentencePieceModel(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor)
    : processor_(std::move(processor)), space_rules_(ProbeSpaceRules()) {}

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
  const auto status = processor_->Encode(text, ids);
  if (!status.ok()) *error = status.ToString();
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
