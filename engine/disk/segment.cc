#include "engine/disk/segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc32.h"
#include "base/status.h"

namespace batucada {
namespace {

constexpr uint32_t kMagic = 0x31504342;  // "BCP1": another layout is another number
// Nobody writes more; a length beyond it is damage.
constexpr uint64_t kMostScope = 1 << 16, kMostNames = 1 << 16, kMostIds = uint64_t{1} << 31;

struct Head {
  uint32_t magic = kMagic;
  uint32_t checksum = 0;  // of what follows, to the end of the head
  uint32_t text_checksum = 0, payload_checksum = 0;
  uint64_t scope_bytes = 0, ids = 0, payload_bytes = 0;
  uint64_t names_bytes = 0;
};
static_assert(sizeof(Head) == 48);

uint32_t ChecksumOf(const Head& head) {
  constexpr size_t kFrom = 2 * sizeof(uint32_t);
  return Crc32(reinterpret_cast<const char*>(&head) + kFrom, sizeof(Head) - kFrom);
}

uint32_t ChecksumOf(std::span<const std::span<char>> parts) {
  uint32_t sum = 0;
  for (const std::span<char> part : parts) sum = Crc32(part.data(), part.size(), sum);
  return sum;
}

uint32_t TextChecksum(const std::string& scope, const std::string& names, std::span<const int32_t> ids) {
  const uint32_t named = Crc32(names.data(), names.size(), Crc32(scope.data(), scope.size()));
  return Crc32(ids.data(), ids.size_bytes(), named);
}

absl::Status Error(const char* what, const std::string& path) {
  const std::string message = absl::StrCat(what, " ", path, ": ", std::strerror(errno));
  const bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
  return full ? absl::ResourceExhaustedError(message) : absl::UnavailableError(message);
}

// All of `parts` from `offset` on, through preadv or pwritev. False with errno; at the end of the file errno is 0.
template <typename Call>
bool Transfer(Call call, int descriptor, std::vector<iovec> parts, int64_t offset) {
  for (size_t first = 0; first < parts.size();) {
    constexpr size_t kMostParts = 512;
    const auto count = static_cast<int>(std::min(kMostParts, parts.size() - first));
    ssize_t done = call(descriptor, &parts[first], count, offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      if (done == 0) errno = 0;
      return false;
    }
    offset += done;
    for (; first < parts.size() && static_cast<size_t>(done) >= parts[first].iov_len; ++first) {
      done -= static_cast<ssize_t>(parts[first].iov_len);
    }
    if (done == 0) continue;
    parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + done;
    parts[first].iov_len -= static_cast<size_t>(done);
  }
  return true;
}

iovec Part(const void* bytes, size_t size) { return {const_cast<void*>(bytes), size}; }

void AddParts(std::span<const std::span<char>> payload, std::vector<iovec>* parts) {
  for (const std::span<char> part : payload) {
    if (!part.empty()) parts->push_back(Part(part.data(), part.size()));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Segment>> Segment::Create(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return Error("cannot create", path);
  return std::unique_ptr<Segment>(new Segment(path, descriptor));
}

absl::StatusOr<std::unique_ptr<Segment>> Segment::Open(const std::string& path, std::vector<Record>* records) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO would wait for a writer
  if (descriptor < 0) return Error("cannot open", path);
  std::unique_ptr<Segment> segment(new Segment(path, descriptor));
  struct stat about {};
  if (fstat(descriptor, &about) != 0) return Error("cannot read", path);
  if (!S_ISREG(about.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, " is no file"));
  segment->bytes_ = about.st_size;
  for (int64_t at = 0; at < segment->bytes_; at += records->back().bytes) {
    std::optional<Record> record = segment->RecordAt(at);
    if (!record) break;
    records->push_back(*std::move(record));
  }
  return segment;
}

std::optional<Segment::Record> Segment::RecordAt(int64_t at) const {
  Head head;
  if (!Transfer(preadv, descriptor_, {Part(&head, sizeof(head))}, at)) return std::nullopt;
  if (head.magic != kMagic || head.checksum != ChecksumOf(head)) return std::nullopt;
  if (head.scope_bytes > kMostScope || head.names_bytes > kMostNames || head.ids == 0 || head.ids > kMostIds) {
    return std::nullopt;
  }
  Record record{.offset = at, .payload_checksum = head.payload_checksum};
  const auto text_bytes = static_cast<int64_t>(head.scope_bytes + head.names_bytes + head.ids * sizeof(int32_t));
  const int64_t left = bytes_ - at - static_cast<int64_t>(sizeof(Head)) - text_bytes;
  if (left < 0 || head.payload_bytes > static_cast<uint64_t>(left)) return std::nullopt;
  record.payload_bytes = static_cast<int64_t>(head.payload_bytes);
  record.bytes = static_cast<int64_t>(sizeof(Head)) + text_bytes + record.payload_bytes;
  record.scope.resize(head.scope_bytes);
  record.names.resize(head.names_bytes);
  record.ids.resize(head.ids);
  std::vector<iovec> parts;
  if (!record.scope.empty()) parts.push_back(Part(record.scope.data(), record.scope.size()));
  if (!record.names.empty()) parts.push_back(Part(record.names.data(), record.names.size()));
  parts.push_back(Part(record.ids.data(), record.ids.size() * sizeof(int32_t)));
  if (!Transfer(preadv, descriptor_, std::move(parts), at + static_cast<int64_t>(sizeof(Head)))) return std::nullopt;
  if (TextChecksum(record.scope, record.names, record.ids) != head.text_checksum) return std::nullopt;
  return record;
}

Segment::~Segment() { close(descriptor_); }

int64_t Segment::BytesOf(const std::string& scope, const std::string& names, size_t ids,
                         std::span<const std::span<char>> payload) {
  size_t bytes = sizeof(Head) + scope.size() + names.size() + ids * sizeof(int32_t);
  for (const std::span<char> part : payload) bytes += part.size();
  return static_cast<int64_t>(bytes);
}

absl::StatusOr<Segment::Record> Segment::Append(const std::string& scope, const std::string& names,
                                                std::span<const int32_t> ids,
                                                std::span<const std::span<char>> payload) {
  BATUCADA_CHECK(scope.size() <= kMostScope && names.size() <= kMostNames && !ids.empty() && ids.size() <= kMostIds);
  Record record{.offset = bytes_, .bytes = BytesOf(scope, names, ids.size(), payload)};
  record.payload_bytes = record.bytes - BytesOf(scope, names, ids.size(), {});
  record.payload_checksum = ChecksumOf(payload);
  Head head{.text_checksum = TextChecksum(scope, names, ids),
            .payload_checksum = record.payload_checksum,
            .scope_bytes = scope.size(),
            .ids = ids.size(),
            .payload_bytes = static_cast<uint64_t>(record.payload_bytes),
            .names_bytes = names.size()};
  head.checksum = ChecksumOf(head);
  std::vector<iovec> parts = {Part(&head, sizeof(head))};
  if (!scope.empty()) parts.push_back(Part(scope.data(), scope.size()));
  if (!names.empty()) parts.push_back(Part(names.data(), names.size()));
  parts.push_back(Part(ids.data(), ids.size_bytes()));
  AddParts(payload, &parts);
  if (!Transfer(pwritev, descriptor_, std::move(parts), bytes_)) {
    const absl::Status error = Error("cannot write to", path_);
    // Half a record would end the file for whoever opens it next.
    if (ftruncate(descriptor_, bytes_) != 0) return Error("cannot shorten", path_);
    return error;
  }
  bytes_ += record.bytes;
  return record;
}

absl::Status Segment::Read(const Record& record, std::span<const std::span<char>> payload) const {
  std::vector<iovec> parts;
  AddParts(payload, &parts);
  int64_t bytes = 0;
  for (const iovec& part : parts) bytes += static_cast<int64_t>(part.iov_len);
  if (bytes != record.payload_bytes) return absl::DataLossError(absl::StrCat("a record of another size in ", path_));
  if (!Transfer(preadv, descriptor_, std::move(parts), record.offset + record.bytes - record.payload_bytes)) {
    return Error("cannot read", path_);
  }
  if (ChecksumOf(payload) != record.payload_checksum) {
    return absl::DataLossError(absl::StrCat("bytes of ", path_, " have changed"));
  }
  return absl::OkStatus();
}

absl::Status Segment::Sync() {
  if (fdatasync(descriptor_) != 0) return Error("cannot sync", path_);
  return absl::OkStatus();
}

}  // namespace batucada
