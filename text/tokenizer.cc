#include "text/tokenizer.h"

#include <filesystem>

#include "base/read_file.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/detokenizer.h"
#include "text/json_tokenizer.h"
#include "text/sentencepiece_tokenizer.h"
#include "text/tokenizer_config.h"
#include "text/utf8.h"

namespace batucada {

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(const std::string& model_dir) {
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, LoadVocabulary(model_dir));
  BATUCADA_ASSIGN_OR_RETURN(const TokenizerConfig config, TokenizerConfig::Read(model_dir));
  BATUCADA_RETURN_IF_ERROR(config.Apply(tokenizer->table_, &tokenizer->affixes_));
  return tokenizer;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::LoadVocabulary(const std::string& model_dir) {
  const std::filesystem::path directory(model_dir);
  const std::filesystem::path json = directory / "tokenizer.json";
  if (const absl::StatusOr<std::string> content = ReadWholeFile(json, JsonTokenizer::kMaxFileBytes); content.ok()) {
    return JsonTokenizer::Parse(*content, json.string());
  } else if (!absl::IsNotFound(content.status())) {
    return content.status();
  }
  const std::filesystem::path model = directory / "tokenizer.model";
  if (const absl::StatusOr<std::string> content = ReadWholeFile(model, SentencePieceTokenizer::kMaxFileBytes);
      content.ok()) {
    return SentencePieceTokenizer::Parse(*content, model.string());
  } else if (!absl::IsNotFound(content.status())) {
    return content.status();
  }
  return absl::NotFoundError(
      Concat(model_dir, ": no tokenizer here; expected a file tokenizer.json or tokenizer.model"));
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, bool skip_special) const {
  Detokenizer detokenizer(table_, skip_special);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.Push(id);
  text += detokenizer.Flush();
  return text;
}

std::string Tokenizer::DecodeOpen(std::span<const int32_t> ids, bool skip_special) const {
  Detokenizer detokenizer(table_, skip_special);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.Push(id);
  return text;
}

absl::Status Tokenizer::CheckText(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError(
        Concat("the text has ", text.size(), " bytes, more than the ", kMaxTextBytes, " allowed"));
  }
  if (const std::optional<size_t> bad = FindInvalidUtf8(text)) {
    return absl::InvalidArgumentError(Concat("the text is not valid UTF-8: byte ", *bad, " (0x",
                                             absl::Hex(static_cast<uint8_t>(text[*bad]), absl::kZeroPad2),
                                             ") is not part of a character"));
  }
  return absl::OkStatus();
}

}  // namespace batucada
