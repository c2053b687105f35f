// Where the Hub is, where its files are kept, and who asks: what Hugging Face's libraries read from the environment.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace batucada {

struct HubSettings {
  std::string endpoint = "https://huggingface.co";  // without a slash at its end
  std::filesystem::path cache;                      // holds models--ORG--NAME
  std::string token;                                // empty: none
  bool offline = false;                             // the cache alone is asked
};

// `environment` is getenv, or a test's.
//   HF_ENDPOINT
//   HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub
//   HF_TOKEN, else the file HF_TOKEN_PATH, else HF_HOME/token
//   HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE
// INVALID_ARGUMENT names the variable that cannot be meant.
absl::StatusOr<HubSettings> HubSettingsFrom(const std::function<const char*(const char*)>& environment);

}  // namespace batucada
