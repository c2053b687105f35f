// The special tokens that a model's directory names, such as bos_token and eos_token.
#pragma once

#include <boost/json.hpp>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace batucada {

// tokenizer_config.json repeats every added token: a few hundred bytes for each of up to some ten thousand.
inline constexpr size_t kMaxTokenizerConfigBytes = size_t{1} << 24;

// The whole of a file; nothing if it is not there. INVALID_ARGUMENT for what is no file or longer than `max_bytes`.
[[nodiscard]] absl::StatusOr<std::optional<std::string>> ReadFileIfThere(const std::filesystem::path& path,
                                                                         size_t max_bytes);

// Names such as "eos_token" and their texts, from tokenizer_config.json and, where it is silent,
// special_tokens_map.json. INVALID_ARGUMENT, with file and place, for one that is wrong.
[[nodiscard]] absl::StatusOr<boost::json::object> LoadSpecialTokens(const std::string& model_dir);

}  // namespace batucada
