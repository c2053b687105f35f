#include "hub/fetch.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
#include "base/human_bytes.h"
#include "base/progress.h"
#include "base/read_file.h"
#include "base/status.h"
#include "base/strings.h"
#include "hub/blob.h"
#include "hub/http_client.h"
#include "hub/listing.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

constexpr int kMostAtOnce = 8;  // files

std::string Escaped(std::string_view revision) {
  return absl::StrReplaceAll(ToAbsl(revision), {{absl::string_view("/"), absl::string_view("%2F")}});
}

// What the Hub's refusal means for who gave the name.
absl::Status Refusal(const HttpAnswer& answer, const HubModel& model, const HubSettings& settings) {
  const std::string& name = model.repository;
  if (answer.error_code == "RevisionNotFound") {
    return absl::NotFoundError(Concat(name, " has no revision ", model.revision, " at ", settings.endpoint));
  }
  if (answer.error_code == "GatedRepo") {
    return absl::PermissionDeniedError(Concat(name, " is given only to who was granted it: ask for that at ",
                                              settings.endpoint, "/", name,
                                              ", and set HF_TOKEN to a token of that account"));
  }
  if (answer.status == 401 || answer.status == 403) {
    return absl::PermissionDeniedError(
        settings.token.empty() ? Concat(settings.endpoint, " has no public model ", name,
                                        ": check the name, or set HF_TOKEN if the model is private")
                               : Concat(settings.endpoint, " refuses ", name, " to this token (HF_TOKEN): check both"));
  }
  if (answer.status == 404) return absl::NotFoundError(Concat(settings.endpoint, " has no model ", name));
  return absl::UnavailableError(Concat(settings.endpoint, " answered with ", answer.status,
                                       answer.error_message.empty() ? "" : ": ", answer.error_message));
}

absl::StatusOr<HubListing> AskForListing(HttpClient& http, const HubModel& model, const HubSettings& settings,
                                         const std::atomic<bool>& stop) {
  const std::string url =
      Concat(settings.endpoint, "/api/models/", model.repository, "/revision/", Escaped(model.revision), "?blobs=true");
  for (int attempt = 1;; ++attempt) {
    std::string body;
    bool too_long = false;
    const absl::StatusOr<HttpAnswer> answer = http.Get(url, 0, [&](const HttpAnswer&, std::string_view piece) {
      too_long = static_cast<int64_t>(body.size() + piece.size()) > kMaxListingBytes;
      if (!too_long) body += piece;
      return !too_long;
    });
    if (too_long) return absl::UnavailableError(Concat(url, " lists more than can be right"));
    if (answer.ok() && answer->ok()) {
      absl::StatusOr<HubListing> listing = ParseListing(body);
      if (listing.ok()) return listing;
      return absl::UnavailableError(Concat(url, ": ", listing.status().message()));
    }
    const absl::Status failure = answer.ok() ? Refusal(*answer, model, settings) : answer.status();
    if (!absl::IsUnavailable(failure) || (answer.ok() && !answer->may_pass())) return failure;
    // Where nobody answers, the cache may: no long wait for that.
    constexpr int kMostAttempts = 3;
    if (attempt == kMostAttempts) return failure;
    if (!WaitBeforeRetry(attempt, answer.ok() ? answer->retry_after : absl::ZeroDuration(), stop)) return failure;
  }
}

// Fetches files of one listing.
class Fetcher {
 public:
  Fetcher(const HubModel& model, const HubSettings& settings, const HubCache& cache, const HubListing& listing)
      : model_(model), settings_(settings), cache_(cache), listing_(listing),
        base_(Concat(settings.endpoint, "/", model.repository, "/resolve/", listing.commit, "/")) {}

  // All of them, several at once; the first error ends the rest.
  absl::Status Fetch(std::vector<HubFile> files) {
    BATUCADA_RETURN_IF_ERROR(CheckSpace(files));
    for (const HubFile& file : files) progress_.total += file.size;
    // The largest first, so that it is not the last to end.
    std::sort(files.begin(), files.end(), [](const HubFile& a, const HubFile& b) { return a.size > b.size; });
    std::atomic<size_t> next{0};
    std::mutex mutex;
    absl::Status first_error;
    const auto work = [&] {
      HttpClient http(settings_.token, stop_);
      for (size_t i = next++; i < files.size() && !stop_.load(); i = next++) {
        absl::Status status = FetchOne(http, files[i]);
        if (status.ok()) continue;
        const std::lock_guard lock(mutex);
        if (!stop_.exchange(true)) first_error = std::move(status);
      }
    };
    std::vector<std::thread> threads;
    for (size_t i = 1; i < std::min<size_t>(files.size(), kMostAtOnce); ++i) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();
    return first_error;
  }

  const ByteProgress& progress() const { return progress_; }

 private:
  absl::Status FetchOne(HttpClient& http, const HubFile& file) {
    const BlobPlace place{.blob = cache_.Blob(file.digest), .lock = cache_.Lock(file.digest)};
    const std::string url = Concat(base_, file.name);
    const auto refusal = [&](const HttpAnswer& answer) {
      // Of a gated model everybody may read the list, and who was granted it the files.
      if (answer.status == 401 || answer.status == 403) return Refusal(answer, model_, settings_);
      return absl::NotFoundError(Concat(file.name, ": ", url, " answered with ", answer.status));
    };
    BATUCADA_RETURN_IF_ERROR(FetchBlob(http, url, file, place, refusal, stop_, progress_));
    return cache_.Link(listing_.commit, file.name, file.digest);
  }

  // Before the first byte comes.
  absl::Status CheckSpace(const std::vector<HubFile>& files) const {
    int64_t needed = 0;
    for (const HubFile& file : files) {
      std::error_code error;
      if (fs::exists(cache_.Blob(file.digest), error)) continue;
      const auto begun = fs::file_size(Concat(cache_.Blob(file.digest).string(), ".incomplete"), error);
      needed += file.size - (error ? 0 : std::min(file.size, static_cast<int64_t>(begun)));
    }
    std::error_code error;
    const fs::space_info space = fs::space(settings_.cache, error);
    if (error || static_cast<int64_t>(space.available) >= needed) return absl::OkStatus();
    return absl::ResourceExhaustedError(Concat("the model needs ", HumanBytes(needed), " in ", settings_.cache.string(),
                                               ", where ", HumanBytes(static_cast<int64_t>(space.available)),
                                               " are free: make room, or set HF_HOME"));
  }

  const HubModel& model_;
  const HubSettings& settings_;
  const HubCache& cache_;
  const HubListing& listing_;
  const std::string base_;
  ByteProgress progress_;
  std::atomic<bool> stop_{false};
};

absl::Status NoWeights(const HubModel& model, const HubListing& listing) {
  if (listing.pickles.empty()) {
    return absl::FailedPreconditionError(Concat(model.repository, " holds no safetensors, which are all that is read"));
  }
  return absl::FailedPreconditionError(
      Concat(model.repository, " holds no safetensors, only ", listing.pickles.front(),
             ": loading such a file runs what its author put there, so it is never fetched. tools/convert.py makes "
             "safetensors of one that you trust"));
}

// What is needed besides the shards that an index names.
absl::StatusOr<std::vector<HubFile>> FirstFiles(const HubModel& model, const HubListing& listing, HubPart part) {
  if (FindFile(listing, "config.json") == nullptr) {
    return absl::FailedPreconditionError(
        Concat(model.repository, " holds no config.json: it is no model of transformers"));
  }
  if (part == HubPart::kConfig) return std::vector<HubFile>{*FindFile(listing, "config.json")};
  const bool one_file = FindFile(listing, kWeightsFile) != nullptr;
  if (!one_file && FindFile(listing, kIndexFile) == nullptr) return NoWeights(model, listing);
  std::vector<HubFile> files;
  for (const HubFile& file : listing.files) {
    const bool weights = file.name.ends_with(".safetensors");
    if (weights ? file.name == kWeightsFile : !(one_file && file.name == kIndexFile)) files.push_back(file);
  }
  return files;
}

absl::StatusOr<std::vector<HubFile>> Shards(const HubModel& model, const HubListing& listing,
                                            const fs::path& snapshot) {
  BATUCADA_ASSIGN_OR_RETURN(const std::string index, ReadWholeFile(snapshot / kIndexFile, kMaxIndexBytes));
  BATUCADA_ASSIGN_OR_RETURN(const std::vector<std::string> names, ShardsOf(index));
  std::vector<HubFile> files;
  for (const std::string& name : names) {
    const HubFile* const file = FindFile(listing, name);
    if (file == nullptr) {
      return absl::FailedPreconditionError(
          Concat(model.repository, ": ", kIndexFile, " names ", name, ", which the repository does not hold"));
    }
    files.push_back(*file);
  }
  return files;
}

absl::Status FetchListed(const HubModel& model, HubPart part, const HubSettings& settings, const HubCache& cache,
                         const HubListing& listing) {
  BATUCADA_ASSIGN_OR_RETURN(std::vector<HubFile> files, FirstFiles(model, listing, part));
  BATUCADA_RETURN_IF_ERROR(cache.Prepare(listing.commit));
  Fetcher fetcher(model, settings, cache, listing);
  const ProgressDisplay display(model.Name(), fetcher.progress(), stderr);
  BATUCADA_RETURN_IF_ERROR(fetcher.Fetch(files));
  if (part == HubPart::kModel && FindFile(listing, kWeightsFile) == nullptr) {
    BATUCADA_ASSIGN_OR_RETURN(files, Shards(model, listing, cache.Snapshot(listing.commit)));
    BATUCADA_RETURN_IF_ERROR(fetcher.Fetch(files));
  }
  return cache.SetRevision(model.revision, listing.commit);
}

}  // namespace

absl::StatusOr<fs::path> FetchModel(const HubModel& model, HubPart part, const HubSettings& settings,
                                    const std::function<void(std::string_view)>& say) {
  const HubCache cache(settings.cache, model.repository);
  absl::StatusOr<fs::path> cached = cache.Find(model.revision, part);
  if (settings.offline) {
    if (cached.ok()) return cached;
    return absl::NotFoundError(Concat(cached.status().message(), ", and HF_HUB_OFFLINE is set"));
  }
  if (cached.ok() && IsCommit(model.revision)) return cached;
  const std::atomic<bool> stop{false};
  HttpClient http(settings.token, stop);
  absl::StatusOr<HubListing> listing = AskForListing(http, model, settings, stop);
  if (absl::IsUnavailable(listing.status()) && cached.ok()) {
    say(Concat(listing.status().message(), ": taking what the cache has of ", model.Name()));
    return cached;
  }
  if (!listing.ok()) return listing.status();
  BATUCADA_RETURN_IF_ERROR(FetchListed(model, part, settings, cache, *listing));
  return cache.Snapshot(listing->commit);
}

}  // namespace batucada
