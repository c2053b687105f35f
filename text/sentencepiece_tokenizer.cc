#include "text/sentencepiece_tokenizer.h"

#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/utf8.h"

namespace batucada {
namespace {

// The byte of a piece spelled <0xXX>; the library has checked the spelling.
char ByteOf(std::string_view piece) {
  uint8_t byte = 0;
  if (piece.size() >= 5) std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  return static_cast<char>(byte);
}

TokenTable::Entry Describe(const SentencePieceModel& model, int id) {
  TokenTable::Entry entry;
  entry.content = model.piece(id);
  entry.kind = TokenKind::kText;
  switch (model.kind(id)) {
    case SentencePieceModel::Kind::kControl:
      entry.special = true;
      entry.bytes = entry.content;
      break;
    case SentencePieceModel::Kind::kByte:
      entry.kind = TokenKind::kBytes;
      entry.bytes = std::string(1, ByteOf(entry.content));
      break;
    case SentencePieceModel::Kind::kUnknown: entry.bytes = model.Decode({id}); break;
    case SentencePieceModel::Kind::kOrdinary:
      entry.bytes = absl::StrReplaceAll(entry.content, {{ToAbsl(kSpaceMark), " "}});
      if (model.space_rules().drops_first && entry.content.starts_with(kSpaceMark)) {
        entry.start_bytes = entry.bytes.substr(1);
        return entry;
      }
      break;
  }
  entry.start_bytes = entry.bytes;
  return entry;
}

std::vector<int32_t> StartTokens(const SentencePieceModel& model) {
  if (const std::optional<int> id = model.start_id()) return {*id};
  return {};
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceModel model, TokenTable table,
                                               AddedTokenMatcher control_tokens)
    : Tokenizer(std::move(table), {.before = StartTokens(model), .after = {}}), model_(std::move(model)),
      control_tokens_(std::move(control_tokens)) {}

absl::StatusOr<std::unique_ptr<Tokenizer>> SentencePieceTokenizer::Parse(std::string_view file, std::string_view name) {
  const auto fail = [&](const auto&... what) { return absl::InvalidArgumentError(Concat(name, ": ", what...)); };
  if (file.size() > kMaxFileBytes) return fail(file.size(), " bytes, more than the ", kMaxFileBytes, " allowed");
  std::string error;
  std::optional<SentencePieceModel> model = SentencePieceModel::Load(file, &error);
  if (!model.has_value()) return fail("not a SentencePiece model: ", error);
  if (model->size() <= 0 || model->size() > kMaxVocabulary) {
    return fail(model->size(), " tokens; expected 1 to ", kMaxVocabulary);
  }
  std::vector<TokenTable::Entry> entries;
  std::vector<AddedToken> control_tokens;
  entries.reserve(static_cast<size_t>(model->size()));
  for (int id = 0; id < model->size(); ++id) {
    TokenTable::Entry& entry = entries.emplace_back(Describe(*model, id));
    if (FindInvalidUtf8(entry.content).has_value()) return fail("token ", id, " is not valid UTF-8");
    if (entry.special && !entry.content.empty()) {
      control_tokens.push_back({.id = id, .content = entry.content, .special = true});
    }
  }
  const bool until_text = model->space_rules().drops_until_text;
  const StreamRules rules{.text_start = until_text ? TextStart::kUntilTextAppears : TextStart::kFirstToken,
                          .bad_bytes = BadBytes::kOnePerByte};
  return std::unique_ptr<Tokenizer>(new SentencePieceTokenizer(*std::move(model), TokenTable(std::move(entries), rules),
                                                               AddedTokenMatcher(std::move(control_tokens))));
}

absl::StatusOr<std::vector<int32_t>> SentencePieceTokenizer::Encode(std::string_view text,
                                                                    const EncodeOptions& options) const {
  BATUCADA_RETURN_IF_ERROR(CheckText(text));
  std::vector<int32_t> ids;
  if (options.add_special_tokens) ids = affixes().before;
  std::vector<AddedTokenMatcher::Hit> hits;
  std::vector<AddedTokenMatcher::Segment> segments;
  control_tokens_.Split(text, options.parse_special ? SpecialTokens::kRecognise : SpecialTokens::kPlainText, &hits,
                        &segments);
  std::vector<int> pieces;
  std::string error;
  for (const AddedTokenMatcher::Segment& segment : segments) {
    if (segment.id.has_value()) {
      ids.push_back(*segment.id);
      continue;
    }
    const std::string_view ordinary = text.substr(segment.begin, segment.end - segment.begin);
    if (!model_.Encode(ordinary, &pieces, &error)) {
      return absl::InternalError(Concat("SentencePiece cannot encode the text: ", error));
    }
    ids.insert(ids.end(), pieces.begin(), pieces.end());
  }
  if (options.add_special_tokens) ids.insert(ids.end(), affixes().after.begin(), affixes().after.end());
  return ids;
}

}  // namespace batucada
