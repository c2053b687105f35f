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

// A template's text, and where it stands.
struct Source {
  std::string text, place;
};

// The templates of a model by what they are for.
struct Sources {
  std::optional<Source> plain, with_tools;
};

absl::StatusOr<Sources> ReadConfig(const std::filesystem::path& path) {
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadFileIfThere(path, kMaxTokenizerConfigBytes));
  Sources found;
  if (!text.has_value()) return found;
  BATUCADA_ASSIGN_OR_RETURN(const boost::json::value json,
                            ParseJson(*text, path.string(), {.max_bytes = kMaxTokenizerConfigBytes}));
  absl::Status error;
  const JsonCursor source = JsonCursor(json, path.string(), &error)["chat_template"];
  if (source.absent()) return found;
  const std::string place = Concat(path.string(), ": $.chat_template");
  if (!source.is_array()) {
    found.plain = {std::string(source.String()), place};
  } else {
    for (const JsonCursor& entry : source.Elements()) {
      const std::string_view name = entry["name"].String();
      std::optional<Source>* use = name == "default" ? &found.plain : name == "tool_use" ? &found.with_tools : nullptr;
      if (use != nullptr) *use = {std::string(entry["template"].String()), Concat(place, " named ", name)};
    }
    if (!found.plain.has_value()) source.Fail("none of the templates is named \"default\"");
  }
  BATUCADA_RETURN_IF_ERROR(error);
  return found;
}

absl::StatusOr<std::optional<Source>> ReadTemplate(const std::filesystem::path& path) {
  BATUCADA_ASSIGN_OR_RETURN(std::optional<std::string> text, ReadFileIfThere(path, jinja::kMaxSourceBytes));
  if (!text.has_value()) return std::optional<Source>();
  return std::optional<Source>({*std::move(text), path.string()});
}

// Files go before what the configuration says, all of it.
absl::StatusOr<Sources> FindSources(const std::filesystem::path& directory, const std::string& template_file) {
  Sources files;
  if (!template_file.empty()) {
    BATUCADA_ASSIGN_OR_RETURN(files.plain, ReadTemplate(template_file));
    if (!files.plain.has_value()) return absl::NotFoundError(Concat(template_file, ": there is no such file"));
    return files;
  }
  BATUCADA_ASSIGN_OR_RETURN(Sources config, ReadConfig(directory / "tokenizer_config.json"));
  BATUCADA_ASSIGN_OR_RETURN(files.plain, ReadTemplate(directory / "chat_template.jinja"));
  BATUCADA_ASSIGN_OR_RETURN(files.with_tools, ReadTemplate(directory / "additional_chat_templates" / "tool_use.jinja"));
  return files.plain.has_value() ? std::move(files) : std::move(config);
}

// Of two templates one that is the second where there are tools. A template's text begins behind a line's end, which
// the mark before it takes, so that it begins a line as it did; the empty expression keeps the mark behind it from
// taking whitespace, and its last line's end goes here as Jinja takes that of the whole.
std::string Joined(std::string_view plain, std::string_view with_tools) {
  for (std::string_view* text : {&plain, &with_tools}) {
    if (text->ends_with('\n')) text->remove_suffix(1);
  }
  constexpr std::string_view kNothing = "{{ '' }}";
  return Concat("{% if tools %}\n", with_tools, kNothing, "{% else %}\n", plain, kNothing, "{% endif %}");
}

absl::Status At(const Source& source, const absl::Status& status) {
  return absl::Status(status.code(), Concat(source.place, ": ", status.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ChatTemplate::Load(const std::string& model_dir,
                                                                       const std::string& template_file) {
  BATUCADA_ASSIGN_OR_RETURN(boost::json::object special_tokens, LoadSpecialTokens(model_dir));
  BATUCADA_ASSIGN_OR_RETURN(const Sources sources, FindSources(model_dir, template_file));
  if (!sources.plain.has_value()) {
    return absl::NotFoundError(Concat(model_dir,
                                      ": this model has no chat template: neither chat_template.jinja nor "
                                      "\"chat_template\" in tokenizer_config.json"));
  }
  auto plain = Parse(sources.plain->text, special_tokens);
  if (!plain.ok()) return At(*sources.plain, plain.status());
  if (!sources.with_tools.has_value()) return plain;
  const auto alone = Parse(sources.with_tools->text, special_tokens);
  if (!alone.ok()) return At(*sources.with_tools, alone.status());
  return Parse(Joined(sources.plain->text, sources.with_tools->text), std::move(special_tokens));
}

}  // namespace batucada
