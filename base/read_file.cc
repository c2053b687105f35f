#include "base/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace batucada {
namespace {

// Closes a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string_view KindOf(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return "something else";
}

}  // namespace

absl::StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path, int64_t max_bytes) {
  const std::string name = path.string();
  const auto cannot = [&name] { return absl::StrCat(name, " cannot be read: ", std::strerror(errno)); };
  // The kind comes first, since to open a device may already do something. What is opened is asked again: it may have
  // been exchanged. O_NONBLOCK: to open a pipe would wait for its other end.
  struct stat info = {};
  if (stat(name.c_str(), &info) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return absl::UnavailableError(cannot());
    // Whoever does without a file that is not there is not to do without one that was meant to be.
    if (lstat(name.c_str(), &info) == 0) {
      return absl::UnavailableError(absl::StrCat(name, " is a link to a file that does not exist"));
    }
    return absl::NotFoundError(absl::StrCat(name, " does not exist"));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is ", std::string(KindOf(info.st_mode)), ", not a file"));
  }
  const Descriptor file(open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0 || fstat(file.get(), &info) != 0) return absl::UnavailableError(cannot());
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(name, " is ", std::string(KindOf(info.st_mode)), ", not a file"));
  }
  const auto too_long = [&](int64_t bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " has ", bytes, " bytes, at most ", max_bytes, " are allowed for such a file"));
  };
  if (info.st_size > max_bytes) return too_long(info.st_size);
  // Some files are longer than they say (/proc), and one that is being written grows: read to the end, within bounds.
  constexpr size_t kPiece = 64 << 10;
  std::string content;
  size_t size = 0;
  while (true) {
    content.resize(std::max(static_cast<size_t>(info.st_size) + 1, size + kPiece));
    const ssize_t got = read(file.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::UnavailableError(cannot());
    size += static_cast<size_t>(got);
    if (static_cast<int64_t>(size) > max_bytes) return too_long(static_cast<int64_t>(size));
    if (got == 0) break;
  }
  content.resize(size);
  return content;
}

}  // namespace batucada
