#include "hub/cache.h"

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "base/read_file.h"
#include "base/status.h"
#include "base/strings.h"
#include "hub/listing.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

absl::Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(Concat("cannot make the folder ", folder.string(), ": ", error.message()));
}

// A name beside `path` that nobody else uses.
fs::path Beside(const fs::path& path) {
  static std::atomic<int> count{0};
  return Concat(path.string(), ".", getpid(), ".", count.fetch_add(1));
}

absl::Status Rename(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return absl::OkStatus();
  std::error_code ignored;
  fs::remove(from, ignored);
  return absl::UnavailableError(Concat("cannot write ", to.string(), ": ", error.message()));
}

bool IsThere(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);  // follows links
}

}  // namespace

HubCache::HubCache(const fs::path& root, std::string_view repository) {
  const std::string name =
      Concat("models--", absl::StrReplaceAll(ToAbsl(repository), {{absl::string_view("/"), absl::string_view("--")}}));
  folder_ = root / name;
  locks_ = root / ".locks" / name;
}

fs::path HubCache::Lock(std::string_view digest) const { return locks_ / Concat(digest, ".lock"); }

absl::StatusOr<std::string> HubCache::Commit(std::string_view revision) const {
  if (IsCommit(revision)) return std::string(revision);
  constexpr int64_t kMostBytes = 256;
  BATUCADA_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(folder_ / "refs" / revision, kMostBytes));
  const std::string commit(absl::StripAsciiWhitespace(text));
  if (IsCommit(commit)) return commit;
  return absl::NotFoundError(Concat((folder_ / "refs" / revision).string(), " does not hold a commit"));
}

absl::StatusOr<fs::path> HubCache::Find(std::string_view revision, HubPart part) const {
  const absl::StatusOr<std::string> commit = Commit(revision);
  if (!commit.ok()) {
    return absl::NotFoundError(Concat("the cache ", folder_.parent_path().string(), " has no ",
                                      absl::StrReplaceAll(folder_.filename().string().substr(8), {{"--", "/"}}), " at ",
                                      revision));
  }
  const fs::path snapshot = Snapshot(*commit);
  const std::vector<std::string> missing = MissingFiles(snapshot, part);
  if (missing.empty()) return snapshot;
  return absl::NotFoundError(Concat(snapshot.string(), " lacks ", missing.front(),
                                    missing.size() > 1 ? Concat(" and ", missing.size() - 1, " more") : ""));
}

absl::Status HubCache::Prepare(std::string_view commit) const {
  for (const fs::path& folder : {folder_ / "blobs", Snapshot(commit), folder_ / "refs", locks_}) {
    BATUCADA_RETURN_IF_ERROR(MakeFolder(folder));
  }
  return absl::OkStatus();
}

absl::Status HubCache::Link(std::string_view commit, std::string_view file, std::string_view digest) const {
  const fs::path link = Snapshot(commit) / file;
  const fs::path target = (folder_ / "blobs" / digest).lexically_relative(link.parent_path());
  BATUCADA_RETURN_IF_ERROR(MakeFolder(link.parent_path()));
  std::error_code error;
  if (fs::read_symlink(link, error) == target && !error) return absl::OkStatus();
  const fs::path temporary = Beside(link);
  fs::create_symlink(target, temporary, error);
  if (error) return absl::UnavailableError(Concat("cannot make the link ", link.string(), ": ", error.message()));
  return Rename(temporary, link);
}

absl::Status HubCache::SetRevision(std::string_view revision, std::string_view commit) const {
  if (IsCommit(revision)) return absl::OkStatus();
  const fs::path path = folder_ / "refs" / revision;
  BATUCADA_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
  const fs::path temporary = Beside(path);
  std::ofstream file(temporary);
  file << commit;
  file.close();
  if (file.fail()) return absl::UnavailableError(Concat("cannot write ", temporary.string()));
  return Rename(temporary, path);
}

std::vector<std::string> MissingFiles(const fs::path& snapshot, HubPart part) {
  std::vector<std::string> missing;
  if (!IsThere(snapshot / "config.json")) missing.emplace_back("config.json");
  if (part == HubPart::kConfig || IsThere(snapshot / kWeightsFile)) return missing;
  const absl::StatusOr<std::string> index = ReadWholeFile(snapshot / kIndexFile, kMaxIndexBytes);
  const absl::StatusOr<std::vector<std::string>> shards = index.ok() ? ShardsOf(*index) : index.status();
  if (!shards.ok()) {
    missing.emplace_back(kWeightsFile);
    return missing;
  }
  for (const std::string& shard : *shards) {
    if (!IsThere(snapshot / shard)) missing.push_back(shard);
  }
  return missing;
}

}  // namespace batucada
