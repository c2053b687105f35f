#include "hub/digest.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/digest.h"
#include "base/strings.h"
#include "hub/hub_model.h"

namespace batucada {
namespace {

constexpr size_t kSha256Digits = 64;
constexpr size_t kSha1Digits = 40;

}  // namespace

bool IsDigest(std::string_view digest) { return IsHex(digest, kSha256Digits) || IsHex(digest, kSha1Digits); }

absl::StatusOr<std::string> DigestOfFile(int fd, int64_t size, std::string_view like) {
  const bool git = like.size() == kSha1Digits;
  Digest digest(git ? Digest::Kind::kSha1 : Digest::Kind::kSha256);
  if (git) {
    const std::string header = Concat("blob ", size);
    digest.Add(header.c_str(), header.size() + 1);  // its zero, too
  }
  std::vector<char> buffer(size_t{1} << 20);
  for (int64_t at = 0; at < size;) {
    const ssize_t got = pread(fd, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return absl::UnavailableError(Concat("cannot be read back: ", got < 0 ? strerror(errno) : "it ends"));
    digest.Add(buffer.data(), static_cast<size_t>(got));
    at += got;
  }
  return digest.Hex();
}

}  // namespace batucada
