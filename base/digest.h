// Digests that nobody can forge: SHA-256, and SHA-1 where git's names of contents ask for it. OpenSSL's. A target of
// its own (batucada_digest), so that only those who link it need the library.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace batucada {

using Sha256 = std::array<uint8_t, 32>;
Sha256 Sha256Of(std::string_view bytes);

// Of what comes in pieces. Not thread-safe.
class Digest {
 public:
  enum class Kind : uint8_t { kSha256, kSha1 };
  explicit Digest(Kind kind = Kind::kSha256);
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;

  void Add(const void* bytes, size_t size);
  void Add(std::string_view bytes) { Add(bytes.data(), bytes.size()); }
  // In lower case. Ends it: nothing may be added any more.
  std::string Hex();

 private:
  void* context_;  // EVP_MD_CTX
};

}  // namespace batucada
