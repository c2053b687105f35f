// Finds a model's chat template and its special tokens.
#include <filesystem>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "text/chat_template.h"
#include "text/jinja/runtime.h"
#include "text/json_cursor.h"
#include "text/special_tokens.h"

namespace batucada {
namespace {

// The template that the file holds: a string, or the default one of several. Nothing if it holds none.
absl::StatusOr<std::optional<std::string>> TemplateOfConfig(const std::filesystem::path& path) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadFileIfThere(path, kMaxTokenizerConfigBytes));
  if (!text.has_value()) return std::optional<std::string>();
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value json,
                            ParseJson(*text, path.string(), {.max_bytes = kMaxTokenizerConfigBytes}));
  absl::Status error;
  const JsonCursor source = JsonCursor(json, path.string(), &error)["chat_template"];
  if (source.absent()) return std::optional<std::string>();
  std::optional<std::string> found;
  if (!source.is_array()) {
    found = std::string(source.String());
  } else {
    for (const JsonCursor& entry : source.Elements()) {
      if (!found.has_value() && entry["name"].String() == "default") found = std::string(entry["template"].String());
    }
    if (!found.has_value()) source.Fail("none of the templates is named \"default\"");
  }
  BATUCADA_RETURN_IF_ERROR(error);
  return found;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ChatTemplate::Load(const std::string& model_dir,
                                                                       const std::string& template_file) {
  const std::filesystem::path directory(model_dir);
  const std::filesystem::path jinja_path =
      template_file.empty() ? directory / "chat_template.jinja" : std::filesystem::path(template_file);
  BATUCADA_ASSIGN_OR_RETURN(boost::json::object special_tokens, LoadSpecialTokens(model_dir));
  std::optional<std::string> source;
  if (template_file.empty()) {
    BATUCADA_ASSIGN_OR_RETURN(source, TemplateOfConfig(directory / "tokenizer_config.json"));
  }
  std::string place = Concat((directory / "tokenizer_config.json").string(), ": $.chat_template");
  BATUCADA_ASSIGN_OR_RETURN(std::optional<std::string> own_file, ReadFileIfThere(jinja_path, jinja::kMaxSourceBytes));
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
