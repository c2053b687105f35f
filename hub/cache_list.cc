#include "hub/cache_list.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <system_error>
#include <tuple>

#include "absl/strings/ascii.h"
#include "base/read_file.h"
#include "base/strings.h"
#include "hub/cache.h"
#include "hub/hub_model.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "models--";

// A folder's entries, or none.
std::vector<fs::path> EntriesOf(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
    entries.push_back(i->path());
  }
  return entries;
}

// Commit -> the revisions that mean it.
std::map<std::string, std::vector<std::string>> RevisionsOf(const fs::path& refs) {
  std::map<std::string, std::vector<std::string>> revisions;
  std::error_code error;
  for (fs::recursive_directory_iterator i(refs, error), end; !error && i != end; i.increment(error)) {
    std::error_code ignored;
    if (!i->is_regular_file(ignored)) continue;
    constexpr int64_t kMostBytes = 256;
    const absl::StatusOr<std::string> text = ReadWholeFile(i->path(), kMostBytes);
    if (!text.ok()) continue;
    const std::string commit(absl::StripAsciiWhitespace(*text));
    revisions[commit].push_back(i->path().lexically_relative(refs).generic_string());
  }
  for (auto& [commit, names] : revisions) std::sort(names.begin(), names.end());
  return revisions;
}

int64_t BytesIn(const fs::path& snapshot) {
  int64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator i(snapshot, error), end; !error && i != end; i.increment(error)) {
    std::error_code none;
    const auto size = i->file_size(none);  // of what a link leads to
    if (!none) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

}  // namespace

std::vector<CachedModel> ListCache(const fs::path& root) {
  std::vector<CachedModel> models;
  for (const fs::path& folder : EntriesOf(root)) {
    const std::string name = folder.filename().string();
    const size_t between = name.find("--", kPrefix.size());
    if (!name.starts_with(kPrefix) || between == name.npos) continue;
    const std::string repository =
        Concat(name.substr(kPrefix.size(), between - kPrefix.size()), "/", name.substr(between + 2));
    if (!ParseHubModel(repository)) continue;
    auto revisions = RevisionsOf(folder / "refs");
    for (const fs::path& snapshot : EntriesOf(folder / "snapshots")) {
      const std::string commit = snapshot.filename().string();
      if (!IsCommit(commit)) continue;
      models.push_back({.repository = repository,
                        .revisions = revisions[commit],
                        .commit = commit,
                        .directory = snapshot,
                        .bytes = BytesIn(snapshot),
                        .missing = MissingFiles(snapshot)});
    }
  }
  std::sort(models.begin(), models.end(), [](const CachedModel& a, const CachedModel& b) {
    return std::tie(a.repository, a.commit) < std::tie(b.repository, b.commit);
  });
  return models;
}

}  // namespace batucada
