#include "base/write_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace batucada {
namespace {

absl::Status Failed(const std::string& path, int error) {
  return absl::UnavailableError(absl::StrCat("cannot write ", path, ": ", std::strerror(error)));
}

// 0, or why not.
int WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written == 0 ? EIO : errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

int WriteTo(const std::string& path, int flags, std::string_view bytes) {
  // A pipe that nobody reads must not keep us: it is an error.
  const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | flags, 0666);
  if (file < 0) return errno;
  if (fcntl(file, F_SETFL, fcntl(file, F_GETFL) & ~O_NONBLOCK) < 0) {
    const int error = errno;
    close(file);
    return error;
  }
  const int error = WriteAll(file, bytes);
  return close(file) == 0 || error != 0 ? error : errno;
}

}  // namespace

absl::Status WriteWholeFile(const std::string& path, std::string_view bytes) {
  struct stat there = {};
  if (lstat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    const int error = WriteTo(path, O_TRUNC, bytes);
    return error == 0 ? absl::OkStatus() : Failed(path, error);
  }
  const std::string partial = path + ".partial";
  int error = WriteTo(partial, O_CREAT | O_TRUNC, bytes);
  if (error == 0 && std::rename(partial.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return absl::OkStatus();
  unlink(partial.c_str());
  return Failed(path, error);
}

}  // namespace batucada
