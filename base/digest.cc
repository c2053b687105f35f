#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "base/status.h"

namespace batucada {
namespace {

EVP_MD_CTX* ContextOf(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

Sha256 Sha256Of(std::string_view bytes) {
  Sha256 digest;
  static_assert(sizeof(digest) == SHA256_DIGEST_LENGTH);
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

// OpenSSL's digests of the default provider fail only where there is no memory, or where somebody has taken them away.
Digest::Digest(Kind kind) : context_(EVP_MD_CTX_new()) {
  const EVP_MD* const method = kind == Kind::kSha256 ? EVP_sha256() : EVP_sha1();
  BATUCADA_CHECK(context_ != nullptr && EVP_DigestInit_ex(ContextOf(context_), method, nullptr) == 1,
                 "OpenSSL has no such digest");
}

Digest::~Digest() { EVP_MD_CTX_free(ContextOf(context_)); }

void Digest::Add(const void* bytes, size_t size) {
  BATUCADA_CHECK(EVP_DigestUpdate(ContextOf(context_), bytes, size) == 1, "OpenSSL could not go on with a digest");
}

std::string Digest::Hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int length = 0;
  BATUCADA_CHECK(EVP_DigestFinal_ex(ContextOf(context_), bytes.data(), &length) == 1, "OpenSSL could not end a digest");
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(bytes.data()), length));
}

}  // namespace batucada
