#include "engine/model/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "engine/model/text.h"

namespace batucada {
namespace {

absl::Status FileError(const std::filesystem::path& path, std::string_view problem) {
  return absl::InvalidArgumentError(Concat(path.string(), " ", problem));
}

absl::StatusOr<std::span<const std::byte>> Map(int fd, const std::filesystem::path& path) {
  struct stat info = {};
  if (fstat(fd, &info) != 0) return FileError(path, Concat("cannot be read: ", std::strerror(errno)));
  if (!S_ISREG(info.st_mode)) return FileError(path, "is not a regular file");
  if (info.st_size == 0) return FileError(path, "is empty");
  const auto size = static_cast<size_t>(info.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return FileError(path, Concat("cannot be mapped: ", std::strerror(errno)));
  return std::span(static_cast<const std::byte*>(data), size);
}

}  // namespace

absl::StatusOr<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  // O_NONBLOCK: a named pipe in a model directory must not hang the start; regular files ignore it.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const std::string message = Concat(path.string(), " cannot be opened: ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(message) : absl::InvalidArgumentError(message);
  }
  auto bytes = Map(fd, path);
  close(fd);  // the mapping holds the file
  if (!bytes.ok()) return bytes.status();
  return MappedFile(*bytes);
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void MappedFile::Prefetch(std::span<const std::byte> part) {
  if (part.empty()) return;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const size_t into_page = reinterpret_cast<uintptr_t>(part.data()) % page;
  auto* begin = const_cast<std::byte*>(part.data()) - into_page;
  // Only advice: a failure changes the speed, not the result.
  (void)madvise(begin, into_page + part.size(), MADV_WILLNEED);
}

}  // namespace batucada
