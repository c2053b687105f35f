#include "engine/model/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace batucada {
namespace {

absl::Status FileError(const std::filesystem::path& path, std::string_view problem) {
  return absl::InvalidArgumentError(Concat(path.string(), " ", problem));
}

}  // namespace

absl::StatusOr<MappedFile::Version> MappedFile::VersionOf(int fd, const std::filesystem::path& path) {
  struct stat info = {};
  if (fstat(fd, &info) != 0) return FileError(path, Concat("cannot be read: ", std::strerror(errno)));
  if (!S_ISREG(info.st_mode)) return FileError(path, "is not a regular file");
  if (info.st_size == 0) return FileError(path, "is empty");
  return Version{.bytes = info.st_size,
                 .modified_ns = int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  MappedFile file;
  file.path_ = path;
  // O_NONBLOCK: a named pipe in a model directory must not hang the start; regular files ignore it.
  file.fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.fd_ < 0) {
    const std::string message = Concat(path.string(), " cannot be opened: ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(message) : absl::InvalidArgumentError(message);
  }
  BATUCADA_ASSIGN_OR_RETURN(file.opened_, VersionOf(file.fd_, path));
  const auto size = static_cast<size_t>(file.opened_.bytes);
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd_, 0);
  if (data == MAP_FAILED) return FileError(path, Concat("cannot be mapped: ", std::strerror(errno)));
  file.bytes_ = std::span(static_cast<const std::byte*>(data), size);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), opened_(other.opened_),
      bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(opened_, other.opened_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  if (fd_ >= 0) close(fd_);
}

absl::Status MappedFile::CheckUnchanged() const {
  const absl::StatusOr<Version> now = VersionOf(fd_, path_);
  if (now.ok() && *now == opened_) return absl::OkStatus();
  return FileError(path_,
                   "was changed while it was read; start again once it is complete, and replace model files by "
                   "renaming new ones over them");
}

void MappedFile::Populate(std::span<const std::byte> part) {
  if (part.empty()) return;
#ifndef MADV_POPULATE_READ
  constexpr int MADV_POPULATE_READ = 22;  // of Linux 5.14, which may be newer than the headers
#endif
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const size_t into_page = reinterpret_cast<uintptr_t>(part.data()) % page;
  auto* begin = const_cast<std::byte*>(part.data()) - into_page;
  // Only advice: a failure changes the speed, not the result.
  if (madvise(begin, into_page + part.size(), MADV_POPULATE_READ) == 0) return;
  (void)madvise(begin, into_page + part.size(), MADV_WILLNEED);
}

}  // namespace batucada
