#include "text/json_tokenizer.h"

#include <utility>

#include "base/status.h"
#include "text/utf8.h"

namespace batucada {
namespace {

// A text of more bytes takes tens of times as much working memory, which is not kept for the next: not after an error
// either.
constexpr size_t kLargeText = size_t{64} << 10;

}  // namespace

JsonTokenizer::JsonTokenizer(Parts parts)
    : Tokenizer(std::move(parts.table), std::move(parts.affixes)), added_tokens_(std::move(parts.added_tokens)),
      normalized_added_tokens_(std::move(parts.normalized_added_tokens)), normalizer_(std::move(parts.normalizer)),
      pre_tokenizer_(std::move(parts.pre_tokenizer)), bpe_(std::move(parts.bpe)) {}

absl::StatusOr<std::vector<int32_t>> JsonTokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  BATUCADA_RETURN_IF_ERROR(CheckText(text));
  if (text.size() > kLargeText) {
    Scratch scratch;
    return EncodeWith(text, options, &scratch);
  }
  const auto lease = scratch_.Take();
  return EncodeWith(text, options, &*lease);
}

absl::StatusOr<std::vector<int32_t>> JsonTokenizer::EncodeWith(std::string_view text, const EncodeOptions& options,
                                                               Scratch* scratch) const {
  scratch->pre_tokenizer.regex.Begin(text.size());
  const SpecialTokens special = options.parse_special ? SpecialTokens::kRecognise : SpecialTokens::kPlainText;

  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 8);
  if (options.add_special_tokens) ids.insert(ids.end(), affixes().before.begin(), affixes().before.end());
  added_tokens_.Split(text, special, &scratch->hits, &scratch->segments);
  for (const AddedTokenMatcher::Segment& segment : scratch->segments) {
    if (segment.id.has_value()) {
      ids.push_back(*segment.id);
      continue;
    }
    const std::string_view ordinary = text.substr(segment.begin, segment.end - segment.begin);
    BATUCADA_RETURN_IF_ERROR(EncodeSegment(ordinary, segment.begin == 0, special, scratch, &ids));
  }
  if (options.add_special_tokens) ids.insert(ids.end(), affixes().after.begin(), affixes().after.end());
  return ids;
}

absl::Status JsonTokenizer::EncodeSegment(std::string_view text, bool at_start, SpecialTokens special, Scratch* scratch,
                                          std::vector<int32_t>* ids) const {
  if (normalizer_.empty()) return EncodeNormalized(text, at_start, special, scratch, ids);
  BATUCADA_ASSIGN_OR_RETURN(const std::string normalized, normalizer_.Normalize(text, &scratch->pre_tokenizer.regex));
  return EncodeNormalized(normalized, at_start, special, scratch, ids);
}

absl::Status JsonTokenizer::EncodeNormalized(std::string_view text, bool at_start, SpecialTokens special,
                                             Scratch* scratch, std::vector<int32_t>* ids) const {
  if (normalized_added_tokens_.empty()) return EncodePieces(text, at_start, scratch, ids);
  normalized_added_tokens_.Split(text, special, &scratch->hits, &scratch->normalized_segments);
  for (const AddedTokenMatcher::Segment& segment : scratch->normalized_segments) {
    if (segment.id.has_value()) {
      ids->push_back(*segment.id);
      continue;
    }
    const std::string_view ordinary = text.substr(segment.begin, segment.end - segment.begin);
    BATUCADA_RETURN_IF_ERROR(EncodePieces(ordinary, at_start && segment.begin == 0, scratch, ids));
  }
  return absl::OkStatus();
}

absl::Status JsonTokenizer::EncodePieces(std::string_view text, bool at_start, Scratch* scratch,
                                         std::vector<int32_t>* ids) const {
  return pre_tokenizer_.Run(text, at_start, &scratch->pre_tokenizer,
                            [&](const PreTokenizer::Piece& piece) { bpe_.Encode(piece.text, &scratch->bpe, ids); });
}

}  // namespace batucada
