// Text to token ids and back.
//
// A tokenizer is loaded once from a model directory and is immutable afterwards: every method is const and may be
// called from any number of threads at once. Streams decode through Detokenizer (detokenizer.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "text/token_table.h"

namespace batucada {

class TokenMemory;

struct EncodeOptions {
  // What the model puts around a text, for most one start token, also before a text that begins with it already: so
  // does the reference.
  bool add_special_tokens = true;
  // Special tokens written out in the text (such as <|im_end|>) become their ids. Off, they are plain text, which is
  // what text from strangers wants. Added tokens that are not special are vocabulary and are always recognised.
  bool parse_special = true;
  // Where long texts of this owner are looked up before they are tokenized, and noted; null: nowhere. The ids are the
  // same.
  TokenMemory* memory = nullptr;
  std::string_view owner = {};
};

// What Encode puts around a text with add_special_tokens.
struct TokenAffixes {
  std::vector<int32_t> before, after;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Reads model_dir/tokenizer.json, or where there is none model_dir/tokenizer.model (SentencePiece), and what
  // tokenizer_config.json says of start and end tokens (tokenizer_config.h).
  // NOT_FOUND if neither is there; INVALID_ARGUMENT or UNIMPLEMENTED, with the place in the file and what was expected,
  // if its content is wrong or asks for something this engine does not do.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& model_dir);

  // INVALID_ARGUMENT if `text` is not UTF-8, naming the first bad byte: nothing is replaced silently.
  // RESOURCE_EXHAUSTED if the model's own regular expression gives up on the text (its match limit).
  [[nodiscard]] virtual absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                                                    const EncodeOptions& options) const = 0;

  // Valid UTF-8 whatever the ids: bytes that form no character become U+FFFD. Ids outside the vocabulary are skipped.
  std::string Decode(std::span<const int32_t> ids, bool skip_special) const;

  // As much of it as is certain whatever ids follow: bytes that may still become a character, and characters that would
  // be stripped at the end of a text, are left to what follows (Detokenizer::Follow).
  std::string DecodeOpen(std::span<const int32_t> ids, bool skip_special) const;

  // The raw bytes that `id` stands for inside a text (one byte of a character for some ids, the name for a special
  // token); empty outside the vocabulary. Valid as long as the tokenizer.
  std::string_view TokenBytes(int32_t id) const { return table_.bytes(id); }

  bool IsSpecial(int32_t id) const { return table_.is_special(id); }

  // One more than the largest id. Some ids below it may be undefined.
  int32_t vocab_size() const { return table_.size(); }

  // The id of a token spelled as in the tokenizer's file, for example "<|im_end|>" or "Ġthe".
  std::optional<int32_t> TokenToId(std::string_view content) const { return table_.Find(content); }

  const TokenTable& table() const { return table_; }

  const TokenAffixes& affixes() const { return affixes_; }

 protected:
  static constexpr size_t kMaxTextBytes = size_t{1} << 26;

  explicit Tokenizer(TokenTable table, TokenAffixes affixes = {})
      : table_(std::move(table)), affixes_(std::move(affixes)) {}

  // INVALID_ARGUMENT for a text that no tokenizer takes: longer than kMaxTextBytes, or not UTF-8.
  [[nodiscard]] static absl::Status CheckText(std::string_view text);

 private:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Tokenizer>> LoadVocabulary(const std::string& model_dir);

  const TokenTable table_;
  TokenAffixes affixes_;  // constant after Load
};

}  // namespace batucada
