#include "hub/blob.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/time/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "hub/digest.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status DiskError(std::string_view what, const fs::path& path) {
  return absl::UnavailableError(Concat("cannot ", what, " ", path.string(), ": ", strerror(errno)));
}

// Until nobody else holds it. False if `stop` was set meanwhile.
bool TakeLock(int fd, const std::atomic<bool>& stop) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (stop.load() || (errno != EWOULDBLOCK && errno != EINTR)) return false;
    absl::SleepFor(absl::Milliseconds(100));
  }
  return true;
}

bool WriteAt(int fd, std::string_view bytes, int64_t at) {
  while (!bytes.empty()) {
    const ssize_t wrote = pwrite(fd, bytes.data(), bytes.size(), at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(wrote));
    at += wrote;
  }
  return true;
}

// The file that grows, and how much of it there is.
class Partial {
 public:
  Partial(int fd, const HubFile& file, fs::path path, ByteProgress& progress)
      : fd_(fd), file_(file), path_(std::move(path)), progress_(progress) {}

  absl::Status Begin() {
    struct stat status {};
    if (fstat(fd_, &status) != 0) return DiskError("read", path_);
    if (status.st_size > file_.size) return Restart();
    SetSize(status.st_size);
    return absl::OkStatus();
  }

  absl::Status Restart() {
    if (ftruncate(fd_, 0) != 0) return DiskError("write", path_);
    SetSize(0);
    return absl::OkStatus();
  }

  // A piece of an answer. What is wrong with it is kept in problem().
  bool Take(const HttpAnswer& head, std::string_view piece) {
    if (!began_) {
      began_ = true;
      // The whole file, though a part was asked for: it begins anew.
      if (head.first_byte == 0 && size_ > 0) problem_ = Restart();
      if (problem_.ok() && head.first_byte != size_) {
        problem_ = absl::UnavailableError(Concat(file_.name, ": another part came than was asked for"));
      }
    }
    if (!problem_.ok()) return false;
    if (static_cast<int64_t>(piece.size()) > file_.size - size_) {
      problem_ = absl::DataLossError(Concat(file_.name, " is longer than the ", file_.size, " bytes that are listed"));
      return false;
    }
    if (!WriteAt(fd_, piece, size_)) {
      problem_ = DiskError("write", path_);
      return false;
    }
    progress_.moved += static_cast<int64_t>(piece.size());
    SetSize(size_ + static_cast<int64_t>(piece.size()));
    return true;
  }

  void ExpectAnswer() {
    began_ = false;
    problem_ = absl::OkStatus();
  }
  int64_t size() const { return size_; }
  bool whole() const { return size_ == file_.size; }
  const absl::Status& problem() const { return problem_; }

 private:
  void SetSize(int64_t size) {
    progress_.there += size - size_;
    size_ = size;
  }

  const int fd_;
  const HubFile& file_;
  const fs::path path_;
  ByteProgress& progress_;
  int64_t size_ = 0;
  bool began_ = false;
  absl::Status problem_;
};

// Fetches the rest.
absl::Status Complete(HttpClient& http, const std::string& url, const HubFile& file, const Refuse& refusal,
                      const std::atomic<bool>& stop, Partial& partial) {
  for (int fruitless = 0; !partial.whole();) {
    const int64_t before = partial.size();
    partial.ExpectAnswer();
    const absl::StatusOr<HttpAnswer> answer = http.Get(
        url, before, [&](const HttpAnswer& head, std::string_view piece) { return partial.Take(head, piece); });
    BATUCADA_RETURN_IF_ERROR(partial.problem());
    if (stop.load()) return absl::CancelledError("stopped");
    if (answer.ok() && answer->ok() && partial.whole()) break;
    absl::Status failure;
    if (!answer.ok()) {
      failure = absl::Status(answer.status().code(), Concat(file.name, ": ", answer.status().message()));
    } else if (answer->status == 416 && before > 0) {
      BATUCADA_RETURN_IF_ERROR(partial.Restart());
      failure = absl::UnavailableError(Concat(file.name, " cannot be gone on with"));
    } else if (answer->ok()) {
      failure = absl::UnavailableError(
          Concat(file.name, " ends after ", partial.size(), " of the ", file.size, " bytes that are listed"));
    } else {
      if (!answer->may_pass()) return refusal(*answer);
      failure = absl::UnavailableError(Concat(file.name, ": ", url, " answered with ", answer->status));
    }
    if (!absl::IsUnavailable(failure)) return failure;
    fruitless = partial.size() > before ? 0 : fruitless + 1;
    if (fruitless >= kMostFruitlessAttempts) return failure;
    const absl::Duration asked = answer.ok() ? answer->retry_after : absl::ZeroDuration();
    if (fruitless > 0 && !WaitBeforeRetry(fruitless, asked, stop)) return absl::CancelledError("stopped");
  }
  return absl::OkStatus();
}

}  // namespace

bool WaitBeforeRetry(int attempt, absl::Duration asked, const std::atomic<bool>& stop) {
  constexpr absl::Duration kFirst = absl::Milliseconds(250), kMost = absl::Seconds(60);
  const absl::Duration wait = std::min(std::max(kFirst * (1 << std::min(attempt - 1, 8)), asked), kMost);
  for (absl::Duration waited; waited < wait && !stop.load(); waited += absl::Milliseconds(50)) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  return !stop.load();
}

absl::Status FetchBlob(HttpClient& http, const std::string& url, const HubFile& file, const BlobPlace& place,
                       const Refuse& refusal, const std::atomic<bool>& stop, ByteProgress& progress) {
  const auto there = [&] {
    std::error_code ignored;
    return fs::exists(place.blob, ignored);
  };
  if (there()) {
    progress.there += file.size;
    return absl::OkStatus();
  }
  const File lock(open(place.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.fd() < 0) return DiskError("open", place.lock);
  if (!TakeLock(lock.fd(), stop)) return stop.load() ? absl::CancelledError("stopped") : DiskError("lock", place.lock);
  if (there()) {  // somebody else fetched it meanwhile
    progress.there += file.size;
    return absl::OkStatus();
  }
  const fs::path path = Concat(place.blob.string(), ".incomplete");
  const File growing(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (growing.fd() < 0) return DiskError("write", path);
  Partial partial(growing.fd(), file, path, progress);
  BATUCADA_RETURN_IF_ERROR(partial.Begin());
  for (int attempt = 0;; ++attempt) {
    const bool resumed = partial.size() > 0;
    BATUCADA_RETURN_IF_ERROR(Complete(http, url, file, refusal, stop, partial));
    const absl::StatusOr<std::string> digest = DigestOfFile(growing.fd(), file.size, file.digest);
    if (!digest.ok())
      return absl::Status(digest.status().code(), Concat(path.string(), " ", digest.status().message()));
    if (*digest == file.digest) break;
    BATUCADA_RETURN_IF_ERROR(partial.Restart());
    // What an earlier attempt left may be what is wrong.
    if (resumed && attempt == 0) continue;
    return absl::DataLossError(Concat(file.name, " from ", url, " has the digest ", *digest, " and not ", file.digest,
                                      ", as is listed: it was damaged on its way, or is another file"));
  }
  std::error_code error;
  fs::rename(path, place.blob, error);
  if (error) return absl::UnavailableError(Concat("cannot write ", place.blob.string(), ": ", error.message()));
  return absl::OkStatus();
}

}  // namespace batucada
