// Tokenizers in the format of SentencePiece (tokenizer.model), encoded by its own library.
//
// Control tokens (<s>, </s>, …) are special: written out in a text they are recognised where parse_special is on, and
// every stretch between them is encoded as a text of its own. The model's start token goes in front of a text. Decoding
// follows the library but for control tokens, which read as their names unless skipped, and denormalizers, which are
// not applied.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/added_tokens.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer.h"

namespace batucada {

class SentencePieceTokenizer final : public Tokenizer {
 public:
  static constexpr size_t kMaxFileBytes = size_t{64} << 20;
  static constexpr int kMaxVocabulary = 1 << 21;

  // `file` is the file's content and `name` what errors call it. Errors as Tokenizer::Load.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Tokenizer>> Parse(std::string_view file, std::string_view name);

  [[nodiscard]] absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                                            const EncodeOptions& options) const override;

 private:
  SentencePieceTokenizer(SentencePieceModel model, TokenTable table, AddedTokenMatcher control_tokens);

  const SentencePieceModel model_;
  const AddedTokenMatcher control_tokens_;
};

}  // namespace batucada
