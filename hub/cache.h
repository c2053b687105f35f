// The cache of Hugging Face's libraries on disk, which they and this program share:
//
//   CACHE/models--ORG--NAME/blobs/DIGEST              a file's content, by what the Hub calls it (digest.h)
//                          /blobs/DIGEST.incomplete   as much of it as has come
//                          /refs/REVISION             the commit that a branch or tag meant when last asked
//                          /snapshots/COMMIT/FILE     a link to its blob
//   CACHE/.locks/models--ORG--NAME/DIGEST.lock        held by who fetches the blob
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "hub/hub_model.h"

namespace batucada {

// What somebody wants of a model.
enum class HubPart : uint8_t {
  kConfig,  // config.json alone
  kModel,   // all that serving needs
};

// One repository's part of the cache. Immutable; safe for concurrent use.
class HubCache {
 public:
  HubCache(const std::filesystem::path& root, std::string_view repository);

  std::filesystem::path Blob(std::string_view digest) const { return folder_ / "blobs" / digest; }
  std::filesystem::path Lock(std::string_view digest) const;
  std::filesystem::path Snapshot(std::string_view commit) const { return folder_ / "snapshots" / commit; }

  // The commit that a revision means, as far as the cache knows. NOT_FOUND if it does not.
  absl::StatusOr<std::string> Commit(std::string_view revision) const;
  // The snapshot that a revision means, if it has that part whole. NOT_FOUND says what is missing.
  absl::StatusOr<std::filesystem::path> Find(std::string_view revision, HubPart part) const;

  // Folders for what is to come. UNAVAILABLE says which could not be made.
  absl::Status Prepare(std::string_view commit) const;
  // Lets a snapshot have a file whose blob is there. Replaces a link to another one.
  absl::Status Link(std::string_view commit, std::string_view file, std::string_view digest) const;
  // Notes what a revision means. Nothing to note for a commit itself.
  absl::Status SetRevision(std::string_view revision, std::string_view commit) const;

 private:
  std::filesystem::path folder_, locks_;
};

// The files that a snapshot lacks to be served, by name: none if it is whole.
std::vector<std::string> MissingFiles(const std::filesystem::path& snapshot, HubPart part = HubPart::kModel);

}  // namespace batucada
