// Finds a model's chat template and its special tokens.
#include <array>
#include <filesystem>
#include <optional>
#include <utility>

#include "engine/core/read_file.h"
#include "engine/core/status.h"
#include "engine/text/chat_template.h"
#include "engine/text/jinja/limits.h"
#include "engine/text/json_cursor.h"
#include "engine/text/strings.h"

namespace batucada {
namespace {

// tokenizer_config.json repeats every added token: a few hundred bytes for each of up to some ten thousand.
constexpr size_t kMaxConfigBytes = size_t{1} << 24;

// The whole of a file; nothing if it is not there.
absl::StatusOr<std::optional<std::string>> ReadIfThere(const std::filesystem::path& path, size_t max_bytes) {
  absl::StatusOr<std::string> content = ReadWholeFile(path, static_cast<int64_t>(max_bytes));
  if (absl::IsNotFound(content.status())) return std::optional<std::string>();
  if (!content.ok()) return content.status();
  return *std::move(content);
}

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

// The template that `config` holds: itself, or the default one of several. Nothing if it holds none.
std::optional<std::string> TemplateOf(const JsonCursor& config) {
  const JsonCursor source = config["chat_template"];
  if (source.absent()) return std::nullopt;
  if (!source.is_array()) return std::string(source.String());
  for (const JsonCursor& entry : source.Elements()) {
    if (entry["name"].String() == "default") return std::string(entry["template"].String());
  }
  source.Fail("none of the templates is named \"default\"");
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ChatTemplate::Load(const std::string& model_dir,
                                                                       const std::string& template_file) {
  const std::filesystem::path directory(model_dir);
  const std::filesystem::path jinja_path =
      template_file.empty() ? directory / "chat_template.jinja" : std::filesystem::path(template_file);
  boost::json::object special_tokens;
  std::optional<std::string> source;
  std::string place;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::filesystem::path path = directory / name;
    BATUCADA_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadIfThere(path, kMaxConfigBytes));
    if (!text.has_value()) continue;
    BATUCADA_ASSIGN_OR_RETURN(const boost::json::value json,
                              ParseJson(*text, path.string(), {.max_bytes = kMaxConfigBytes}));
    absl::Status error;
    const JsonCursor config(json, path.string(), &error);
    AddSpecialTokens(config, &special_tokens);
    if (!source.has_value() && name == std::string_view("tokenizer_config.json")) {
      source = TemplateOf(config);
      place = Concat(path.string(), ": $.chat_template");
    }
    BATUCADA_RETURN_IF_ERROR(error);
  }
  BATUCADA_ASSIGN_OR_RETURN(std::optional<std::string> own_file, ReadIfThere(jinja_path, jinja::kMaxSourceBytes));
  if (!own_file.has_value() && !template_file.empty()) {
    return absl::NotFoundError(Concat(template_file, ": there is no such file"));
  }
  if (own_file.has_value()) {
    source = std::move(own_file);
    place = jinja_path.string();
  }
  if (!source.has_value()) {
    return absl::NotFoundError(Concat(model_dir,
                                      ": this model has no chat template: neither chat_template.jinja nor "
                                      "\"chat_template\" in tokenizer_config.json"));
  }
  auto parsed = Parse(*source, std::move(special_tokens));
  if (parsed.ok()) return parsed;
  return absl::Status(parsed.status().code(), Concat(place, ": ", parsed.status().message()));
}

}  // namespace batucada
