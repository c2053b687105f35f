#include "text/json_tokenizer.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "text/token_memory.h"
#include "text/utf8.h"

namespace batucada {
namespace {

// A text of more bytes takes tens of times as much working memory, which is not kept for the next: not after an error
// either.
constexpr size_t kLargeText = size_t{64} << 10;

// Of what a memory holds (token_memory.h). A shorter one at the end of a text is tokenized as quickly as it is found.
constexpr size_t kLeastStretch = size_t{4} << 10;

// The first place, `from` or behind it, at which CutsBeforeBlanks allows a cut; the end of the text if there is none.
size_t NextCut(std::string_view text, size_t from) {
  for (size_t at = std::max<size_t>(from, 1); at < text.size(); ++at) {
    if (text[at] == ' ' && text[at - 1] > ' ' && text[at - 1] <= '~') return at;
  }
  return text.size();
}

}  // namespace

JsonTokenizer::JsonTokenizer(Parts parts)
    : Tokenizer(std::move(parts.table), std::move(parts.affixes)), added_tokens_(std::move(parts.added_tokens)),
      normalized_added_tokens_(std::move(parts.normalized_added_tokens)), normalizer_(std::move(parts.normalizer)),
      pre_tokenizer_(std::move(parts.pre_tokenizer)), bpe_(std::move(parts.bpe)),
      cuts_before_blanks_(normalizer_.empty() && normalized_added_tokens_.empty() &&
                          pre_tokenizer_.CutsBeforeBlanks()) {}

absl::StatusOr<std::vector<int32_t>> JsonTokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  BATUCADA_RETURN_IF_ERROR(CheckText(text));
  // Of a text that is looked up little is left to do, most often.
  if (text.size() > kLargeText && options.memory == nullptr) {
    Scratch scratch;
    return EncodeWith(text, options, &scratch);
  }
  const auto lease = scratch_.Take();
  absl::StatusOr<std::vector<int32_t>> ids = EncodeWith(text, options, &*lease);
  if (text.size() > kLargeText) (*lease).hits = {}, (*lease).segments = {};
  return ids;
}

absl::StatusOr<std::vector<int32_t>> JsonTokenizer::EncodeWith(std::string_view text, const EncodeOptions& options,
                                                               Scratch* scratch) const {
  scratch->pre_tokenizer.regex.Begin(text.size());
  const SpecialTokens special = options.parse_special ? SpecialTokens::kRecognise : SpecialTokens::kPlainText;

  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 8);
  if (options.add_special_tokens) ids.insert(ids.end(), affixes().before.begin(), affixes().before.end());
  added_tokens_.Split(text, special, &scratch->hits, &scratch->segments);
  if (options.memory != nullptr && text.size() >= kLeastStretch) {
    BATUCADA_RETURN_IF_ERROR(EncodeRemembered(text, options, special, scratch, &ids));
  } else {
    BATUCADA_RETURN_IF_ERROR(EncodeSegments(text, scratch->segments, special, scratch, &ids));
  }
  if (options.add_special_tokens) ids.insert(ids.end(), affixes().after.begin(), affixes().after.end());
  return ids;
}

absl::Status JsonTokenizer::EncodeRemembered(std::string_view text, const EncodeOptions& options, SpecialTokens special,
                                             Scratch* scratch, std::vector<int32_t>* ids) const {
  const std::vector<AddedTokenMatcher::Segment> segments = std::move(scratch->segments);
  std::vector<AddedTokenMatcher::Segment> stretch;
  std::vector<TokenMemory::Part> parts;
  const auto encode = [&](bool whole) -> absl::Status {
    const size_t begin = stretch.front().begin, end = stretch.back().end;
    parts.clear();
    for (const AddedTokenMatcher::Segment& segment : stretch) {
      parts.push_back({segment.id.value_or(-1), static_cast<uint32_t>(segment.end - segment.begin)});
    }
    const TokenMemory::Stretch known{
        .owner = options.owner, .text = text.substr(begin, end - begin), .parts = parts, .at_start = begin == 0};
    if (!whole || !options.memory->Find(known, ids)) {
      const size_t before = ids->size();
      if (known.text.size() > kLargeText) {
        Scratch large;
        large.pre_tokenizer.regex.Begin(known.text.size());
        BATUCADA_RETURN_IF_ERROR(EncodeSegments(text, stretch, special, &large, ids));
      } else {
        BATUCADA_RETURN_IF_ERROR(EncodeSegments(text, stretch, special, scratch, ids));
      }
      if (whole) options.memory->Remember(known, std::span(*ids).subspan(before));
    }
    stretch.clear();
    return absl::OkStatus();
  };
  for (AddedTokenMatcher::Segment segment : segments) {
    while (segment.begin < segment.end) {
      const size_t begin = stretch.empty() ? segment.begin : stretch.front().begin;
      AddedTokenMatcher::Segment part = segment;
      if (!segment.id.has_value() && cuts_before_blanks_) {
        part.end = segment.begin + NextCut(text.substr(segment.begin, segment.end - segment.begin),
                                           begin + kLeastStretch - std::min(begin + kLeastStretch, segment.begin));
      }
      stretch.push_back(part);
      segment.begin = part.end;
      if (part.end - begin >= kLeastStretch) BATUCADA_RETURN_IF_ERROR(encode(/*whole=*/true));
    }
  }
  return stretch.empty() ? absl::OkStatus() : encode(/*whole=*/false);
}

absl::Status JsonTokenizer::EncodeSegments(std::string_view text, std::span<const AddedTokenMatcher::Segment> segments,
                                           SpecialTokens special, Scratch* scratch, std::vector<int32_t>* ids) const {
  for (const AddedTokenMatcher::Segment& segment : segments) {
    if (segment.id.has_value()) {
      ids->push_back(*segment.id);
      continue;
    }
    const std::string_view ordinary = text.substr(segment.begin, segment.end - segment.begin);
    BATUCADA_RETURN_IF_ERROR(EncodeSegment(ordinary, segment.begin == 0, special, scratch, ids));
  }
  return absl::OkStatus();
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
