#include "server/openai/tokenizer_info.h"

#include <filesystem>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/json.h"
#include "base/nested_json.h"

namespace batucada {
namespace {

namespace bj = boost::json;
namespace fs = std::filesystem;

constexpr int64_t kMaxFileBytes = int64_t{16} << 20;

bj::object ReadObject(const fs::path& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(path, kMaxFileBytes);
  if (!text.ok()) return {};
  absl::StatusOr<bj::value> json = ParseJsonFile(*text, path.filename().string());
  return json.ok() && json->is_object() ? std::move(json->get_object()) : bj::object();
}

// A token written out, {"content": "<s>", …}, as its text.
void Flatten(bj::value* token) {
  if (!token->is_object()) return;
  const bj::value* content = token->get_object().if_contains("content");
  bj::value text = content != nullptr ? *content : bj::value();
  *token = std::move(text);
}

bj::value TextValue(std::string_view text) { return bj::string(text.data(), text.size()); }

// The operator's, else the model's; null if there is none.
bj::value TemplateSource(const Service& service, const bj::object& config) {
  const fs::path dir = service.config.engine.model_dir;
  const fs::path file =
      service.config.chat_template.empty() ? dir / "chat_template.jinja" : fs::path(service.config.chat_template);
  if (const absl::StatusOr<std::string> source = ReadTextFile(file, kMaxFileBytes); source.ok()) {
    return TextValue(*source);
  }
  const bj::value* own = config.if_contains("chat_template");
  if (own == nullptr || own->is_string()) return own == nullptr ? bj::value() : *own;
  const bj::array* named = own->if_array();
  for (size_t i = 0; named != nullptr && i < named->size(); ++i) {
    const bj::object* one = (*named)[i].if_object();
    if (one == nullptr || !one->contains("template")) continue;
    const bj::value* name = one->if_contains("name");
    if (name != nullptr && *name == "default") return one->at("template");
  }
  return nullptr;
}

}  // namespace

std::string TokenizerInfo(const Service& service) {
  const fs::path dir = service.config.engine.model_dir;
  bj::object info = ReadObject(dir / "tokenizer_config.json");
  const bj::object map = ReadObject(dir / "special_tokens_map.json");
  const Tokenizer& tokenizer = service.engine.tokenizer();
  const ModelConfig& model = service.engine.model();
  for (const char* name : {"bos_token", "eos_token", "pad_token", "unk_token"}) {
    if (!info.contains(name) && map.contains(name)) info[name] = map.at(name);
    if (bj::value* token = info.if_contains(name)) Flatten(token);
  }
  const auto fill = [&](const char* name, int32_t id) {
    bj::value& token = info[name];
    if (!token.is_string()) token = TextValue(tokenizer.TokenBytes(id));
  };
  if (model.bos_token_id) fill("bos_token", *model.bos_token_id);
  if (!model.eos_token_ids.empty()) fill("eos_token", model.eos_token_ids.front());
  info["chat_template"] = TemplateSource(service, info);
  return bj::serialize(info);
}

}  // namespace batucada
