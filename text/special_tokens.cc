#include "text/special_tokens.h"

#include <array>
#include <string_view>
#include <utility>

#include "base/read_file.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/json_cursor.h"

namespace batucada {
namespace {

// The tokens that `config` names, each a string or {"content": …}, beside those that `tokens` has already.
void AddSpecialTokens(const JsonCursor& config, boost::json::object* tokens) {
  static constexpr std::array<std::string_view, 7> kNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                             "pad_token", "cls_token", "mask_token"};
  for (const std::string_view name : kNames) {
    const JsonCursor token = config[name];
    if (token.absent()) continue;
    const std::string_view content = token.is_string() ? token.String() : token["content"].String();
    // An empty one is as good as none: Hugging Face leaves it out of what a template sees.
    if (!content.empty()) tokens->emplace(boost::json::string_view(name.data(), name.size()), std::string(content));
  }
}

}  // namespace

absl::StatusOr<std::optional<std::string>> ReadFileIfThere(const std::filesystem::path& path, size_t max_bytes) {
  absl::StatusOr<std::string> content = ReadWholeFile(path, static_cast<int64_t>(max_bytes));
  if (absl::IsNotFound(content.status())) return std::optional<std::string>();
  if (!content.ok()) return content.status();
  return *std::move(content);
}

absl::StatusOr<boost::json::object> LoadSpecialTokens(const std::string& model_dir) {
  boost::json::object tokens;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::filesystem::path path = std::filesystem::path(model_dir) / name;
    BATUCADA_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadFileIfThere(path, kMaxTokenizerConfigBytes));
    if (!text.has_value()) continue;
    BATUCADA_ASSIGN_OR_RETURN(const boost::json::value json,
                              ParseJson(*text, path.string(), {.max_bytes = kMaxTokenizerConfigBytes}));
    absl::Status error;
    AddSpecialTokens(JsonCursor(json, path.string(), &error), &tokens);
    BATUCADA_RETURN_IF_ERROR(error);
  }
  return tokens;
}

}  // namespace batucada
