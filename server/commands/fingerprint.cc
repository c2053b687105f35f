#include "server/commands/fingerprint.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/digest.h"
#include "server/common/version.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

constexpr size_t kEndBytes = size_t{4} << 20;  // of a large file, from its beginning and from its end
constexpr size_t kDigits = 16;

// With its length, so that no two lists of texts are the same bytes.
void AddText(std::string_view text, Digest* digest) {
  const auto size = static_cast<uint64_t>(text.size());
  digest->Add(&size, sizeof(size));
  digest->Add(text);
}

void AddFile(const fs::path& path, Digest* digest) {
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  std::string bytes(std::min<uintmax_t>(error ? 0 : size, kEndBytes), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  AddText(path.filename().string(), digest);
  AddText(std::to_string(error ? 0 : size), digest);
  AddText(bytes, digest);
  if (error || size <= kEndBytes) return;
  file.seekg(-static_cast<std::streamoff>(std::min<uintmax_t>(kEndBytes, size - kEndBytes)), std::ios::end);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  AddText(std::string_view{bytes}.substr(0, static_cast<size_t>(file.gcount())), digest);
}

// What is read at start-up; notes and evaluations beside it do not count.
bool IsOfModel(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with("config.json") || name.ends_with(".safetensors") || name.starts_with("tokenizer.") ||
         name.ends_with(".index.json") || name == "special_tokens_map.json" || name == "chat_template.jinja";
}

bool IsOfWeights(const std::string& name) {
  return name == "config.json" || name.ends_with(".safetensors") || name.ends_with(".index.json");
}

template <typename Wanted>
void AddFiles(const std::string& model_dir, Wanted wanted, Digest* digest) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(model_dir, error)) {
    if (wanted(entry.path()) && entry.is_regular_file(error)) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) AddFile(path, digest);
}

}  // namespace

std::string WeightsFingerprint(const std::string& model_dir, std::string_view computed_as) {
  Digest digest;
  AddText(computed_as, &digest);
  AddFiles(
      model_dir, [](const fs::path& path) { return IsOfWeights(path.filename().string()); }, &digest);
  return digest.Hex().substr(0, kDigits);
}

std::string SystemFingerprint(const std::string& model_dir, std::string_view computed_as) {
  Digest digest;
  AddText(kVersion, &digest);
  AddText(computed_as, &digest);
  AddFiles(model_dir, IsOfModel, &digest);
  return "fp_" + digest.Hex().substr(0, kDigits);
}

}  // namespace batucada
