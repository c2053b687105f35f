#include "hub/digest.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <openssl/evp.h>

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
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool ok = context != nullptr && EVP_DigestInit_ex(context.get(), git ? EVP_sha1() : EVP_sha256(), nullptr) == 1;
  if (git) {
    const std::string header = Concat("blob ", size);
    ok = ok && EVP_DigestUpdate(context.get(), header.c_str(), header.size() + 1) == 1;  // its zero, too
  }
  std::vector<char> buffer(size_t{1} << 20);
  for (int64_t at = 0; ok && at < size;) {
    const ssize_t got = pread(fd, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return absl::UnavailableError(Concat("cannot be read back: ", got < 0 ? strerror(errno) : "it ends"));
    ok = EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(got)) == 1;
    at += got;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int length = 0;
  if (!ok || EVP_DigestFinal_ex(context.get(), bytes.data(), &length) != 1) {
    return absl::InternalError("the digest could not be computed");
  }
  std::string digest;
  for (unsigned int i = 0; i < length; ++i) {
    constexpr char kHex[] = "0123456789abcdef";
    digest += kHex[bytes[i] / 16];
    digest += kHex[bytes[i] % 16];
  }
  return digest;
}

}  // namespace batucada
