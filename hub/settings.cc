#include "hub/settings.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/ascii.h"
#include "base/read_file.h"
#include "base/status.h"
#include "base/strings.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

class Environment {
 public:
  explicit Environment(const std::function<const char*(const char*)>& get) : get_(get) {}

  std::string operator()(const char* name) const {
    const char* value = get_(name);
    return value == nullptr ? "" : value;
  }

  // A variable that names a place; "~" is the home folder.
  fs::path Path(const char* name) const {
    const std::string value = (*this)(name);
    if (value == "~" || value.starts_with("~/"))
      return fs::path((*this)("HOME")) / value.substr(std::min<size_t>(2, value.size()));
    return value;
  }

  bool IsOn(const char* name) const {
    const std::string value = absl::AsciiStrToUpper((*this)(name));
    return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
  }

 private:
  const std::function<const char*(const char*)>& get_;
};

fs::path Home(const Environment& environment) {
  if (const fs::path home = environment.Path("HF_HOME"); !home.empty()) return home;
  if (const fs::path cache = environment.Path("XDG_CACHE_HOME"); !cache.empty()) return cache / "huggingface";
  return fs::path(environment("HOME")) / ".cache" / "huggingface";
}

// A header is made of it: whatever could end one is none.
absl::Status CheckToken(std::string_view token, std::string_view where) {
  if (std::all_of(token.begin(), token.end(), [](unsigned char c) { return absl::ascii_isgraph(c); })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(Concat(where, " holds characters that no token has"));
}

absl::StatusOr<std::string> Token(const Environment& environment, const fs::path& home) {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    const std::string token(absl::StripAsciiWhitespace(environment(name)));
    if (token.empty()) continue;
    BATUCADA_RETURN_IF_ERROR(CheckToken(token, name));
    return token;
  }
  fs::path path = environment.Path("HF_TOKEN_PATH");
  if (path.empty()) path = home / "token";
  constexpr int64_t kMostBytes = 4096;
  const absl::StatusOr<std::string> text = ReadWholeFile(path, kMostBytes);
  if (absl::IsNotFound(text.status())) return "";
  if (!text.ok()) return text.status();
  const std::string token(absl::StripAsciiWhitespace(*text));
  BATUCADA_RETURN_IF_ERROR(CheckToken(token, path.string()));
  return token;
}

}  // namespace

absl::StatusOr<HubSettings> HubSettingsFrom(const std::function<const char*(const char*)>& get) {
  const Environment environment(get);
  HubSettings settings;
  if (std::string endpoint = environment("HF_ENDPOINT"); !endpoint.empty()) {
    while (endpoint.ends_with('/')) endpoint.pop_back();
    if (!endpoint.starts_with("https://") && !endpoint.starts_with("http://")) {
      return absl::InvalidArgumentError(
          Concat("HF_ENDPOINT is ", endpoint, ", expected an address that begins with https:// or http://"));
    }
    settings.endpoint = endpoint;
  }
  const fs::path home = Home(environment);
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (settings.cache.empty()) settings.cache = environment.Path(name);
  }
  if (settings.cache.empty()) settings.cache = home / "hub";
  if (!settings.cache.is_absolute()) settings.cache = fs::absolute(settings.cache);
  settings.offline = environment.IsOn("HF_HUB_OFFLINE") || environment.IsOn("TRANSFORMERS_OFFLINE");
  BATUCADA_ASSIGN_OR_RETURN(settings.token, Token(environment, home));
  return settings;
}

}  // namespace batucada
