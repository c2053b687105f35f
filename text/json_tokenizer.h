// Tokenizers in the format of Hugging Face's tokenizer.json: BPE, byte-level (GPT-2, Llama 3 and this project's own
// models) or over characters with byte_fallback (Llama 2, Phi-3).
//
// The same ids as the `tokenizers` library gives, for everything that loads; what is not supported is a load error that
// names it. The file is not trusted: its size, depth, ids and tables are bounded and checked.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/scratch_pool.h"
#include "text/tokenizer.h"

namespace batucada {

class JsonTokenizer final : public Tokenizer {
 public:
  static constexpr size_t kMaxFileBytes = size_t{128} << 20;  // the largest in public use have 33 MB
  static constexpr int32_t kMaxVocabulary = 1 << 21;          // and 262144 tokens

  // What a tokenizer.json describes; see LoadJsonTokenizer.
  struct Parts {
    TokenTable table;
    AddedTokenMatcher added_tokens;             // looked for in the text as given
    AddedTokenMatcher normalized_added_tokens;  // looked for in normalized text
    Normalizer normalizer;
    PreTokenizer pre_tokenizer;
    Bpe bpe;
    TokenAffixes affixes;
  };

  // `json` is the file's content and `name` what errors call it. Errors as Tokenizer::Load.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(std::string_view json, std::string_view name);

  [[nodiscard]] absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                                            const EncodeOptions& options) const override;

 private:
  struct Scratch {
    PreTokenizer::Scratch pre_tokenizer;
    Bpe::Scratch bpe;
    std::vector<AddedTokenMatcher::Hit> hits;
    std::vector<AddedTokenMatcher::Segment> segments, normalized_segments;
  };

  explicit JsonTokenizer(Parts parts);

  absl::StatusOr<std::vector<int32_t>> EncodeWith(std::string_view text, const EncodeOptions& options,
                                                  Scratch* scratch) const;

  // EncodeWith where a long text is looked up in options.memory, stretch by stretch.
  absl::Status EncodeRemembered(std::string_view text, const EncodeOptions& options, SpecialTokens special,
                                Scratch* scratch, std::vector<int32_t>* ids) const;
  // Appends the tokens of these segments of the text.
  absl::Status EncodeSegments(std::string_view text, std::span<const AddedTokenMatcher::Segment> segments,
                              SpecialTokens special, Scratch* scratch, std::vector<int32_t>* ids) const;
  // Appends the tokens of a text without added tokens, normalizing it first.
  absl::Status EncodeSegment(std::string_view text, bool at_start, SpecialTokens special, Scratch* scratch,
                             std::vector<int32_t>* ids) const;
  absl::Status EncodeNormalized(std::string_view text, bool at_start, SpecialTokens special, Scratch* scratch,
                                std::vector<int32_t>* ids) const;
  absl::Status EncodePieces(std::string_view text, bool at_start, Scratch* scratch, std::vector<int32_t>* ids) const;

  const AddedTokenMatcher added_tokens_, normalized_added_tokens_;
  const Normalizer normalizer_;
  const PreTokenizer pre_tokenizer_;
  const Bpe bpe_;
  const bool cuts_before_blanks_;  // of ordinary text
  mutable ScratchPool<Scratch> scratch_;
};

}  // namespace batucada
