#include "text/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/json_cursor.h"
#include "text/special_tokens.h"
#include "text/tokenizer.h"

namespace batucada {
namespace {

constexpr std::string_view kFile = "tokenizer_config.json";

// A class of transformers that has add_bos_token and add_eos_token, and the start and end tokens it knows by itself.
struct TokenizerFamily {
  std::string_view name;  // without "Tokenizer" and "Fast"
  std::string_view start, end;
};
constexpr std::array<TokenizerFamily, 5> kFamilies = {{{"Llama", "<s>", "</s>"},
                                                       {"CodeLlama", "<s>", "</s>"},
                                                       {"Gemma", "<bos>", "<eos>"},
                                                       {"Cohere", "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"},
                                                       {"GPTNeoX", "<|endoftext|>", "<|endoftext|>"}}};

const TokenizerFamily* FamilyOf(std::string_view tokenizer_class) {
  for (const std::string_view ending : {"Fast", "Tokenizer"}) {
    if (tokenizer_class.ends_with(ending)) tokenizer_class.remove_suffix(ending.size());
  }
  const auto* family = std::find_if(kFamilies.begin(), kFamilies.end(),
                                    [&](const TokenizerFamily& known) { return known.name == tokenizer_class; });
  return family == kFamilies.end() ? nullptr : family;
}

// A string or {"content": …}.
std::optional<std::string> TokenName(const JsonCursor& token) {
  if (token.absent()) return std::nullopt;
  const std::string_view content = token.is_string() ? token.String() : token["content"].String();
  if (content.empty()) return std::nullopt;
  return std::string(content);
}

std::optional<bool> Flag(const JsonCursor& flag) {
  if (flag.absent()) return std::nullopt;
  return flag.Bool();
}

// The one token, or none, that is to stand on a side of a text.
absl::StatusOr<std::vector<int32_t>> OneToken(bool wanted, const std::optional<std::string>& name,
                                              std::string_view flag, const TokenTable& table) {
  std::vector<int32_t> ids;
  if (!wanted || !name.has_value()) return ids;
  const std::optional<int32_t> id = table.Find(*name);
  if (!id.has_value()) {
    return absl::InvalidArgumentError(
        Concat(kFile, ": ", flag, " is true, but the tokenizer has no token ", Quoted(*name)));
  }
  ids.push_back(*id);
  return ids;
}

}  // namespace

absl::StatusOr<TokenizerConfig> TokenizerConfig::Read(const std::string& model_dir) {
  TokenizerConfig config;
  const std::filesystem::path path = std::filesystem::path(model_dir) / kFile;
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadFileIfThere(path, kMaxTokenizerConfigBytes));
  if (!text.has_value()) return config;
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value document,
                            ParseJson(*text, path.string(), {.max_bytes = kMaxTokenizerConfigBytes, .max_depth = 32}));
  absl::Status error;
  const std::string name = path.string();
  const JsonCursor root(document, name, &error);
  const JsonCursor tokenizer_class = root["tokenizer_class"];
  const TokenizerFamily* family = FamilyOf(tokenizer_class.String(""));
  BATUCADA_RETURN_IF_ERROR(error);
  if (!tokenizer_class.absent() && family == nullptr) return config;
  config.add_bos_token = Flag(root["add_bos_token"]);
  config.add_eos_token = Flag(root["add_eos_token"]);
  config.bos_token = TokenName(root["bos_token"]);
  config.eos_token = TokenName(root["eos_token"]);
  BATUCADA_RETURN_IF_ERROR(error);
  if (family == nullptr) return config;
  if (!config.bos_token.has_value()) config.bos_token = family->start;
  if (!config.eos_token.has_value()) config.eos_token = family->end;
  return config;
}

absl::Status TokenizerConfig::Apply(const TokenTable& table, TokenAffixes* affixes) const {
  if (add_bos_token.has_value()) {
    BATUCADA_ASSIGN_OR_RETURN(affixes->before, OneToken(*add_bos_token, bos_token, "add_bos_token", table));
  }
  if (add_eos_token.has_value()) {
    BATUCADA_ASSIGN_OR_RETURN(affixes->after, OneToken(*add_eos_token, eos_token, "add_eos_token", table));
  }
  return absl::OkStatus();
}

}  // namespace batucada
