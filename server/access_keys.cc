#include "server/access_keys.h"

#include <algorithm>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "engine/core/status.h"
#include "engine/model/json.h"

namespace batucada {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;

std::array<uint8_t, SHA256_DIGEST_LENGTH> DigestOf(std::string_view key) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return digest;
}

// The message never shows a key.
absl::Status CheckKey(std::string_view key, const std::string& place) {
  const auto printable = [](char c) { return c > ' ' && c < 0x7f; };
  if (!key.empty() && std::all_of(key.begin(), key.end(), printable)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{}: a key must be printable ASCII without spaces, and not empty", place));
}

}  // namespace

absl::StatusOr<AccessKeys> AccessKeys::Load(const std::vector<std::string>& keys, const std::string& file) {
  AccessKeys result;
  for (const std::string& key : keys) {
    BATUCADA_RETURN_IF_ERROR(CheckKey(key, "--api-key"));
    result.digests_.push_back(DigestOf(key));
  }
  if (file.empty()) return result;
  const absl::StatusOr<std::string> text = ReadTextFile(file, kMaxFileBytes);
  if (!text.ok()) {
    return absl::InvalidArgumentError(fmt::format("--api-key-file: {}", std::string(text.status().message())));
  }
  const size_t before = result.digests_.size();
  int line_number = 0;
  for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
    ++line_number;
    const absl::string_view key = absl::StripAsciiWhitespace(line);
    if (key.empty() || key.front() == '#') continue;
    BATUCADA_RETURN_IF_ERROR(
        CheckKey({key.data(), key.size()}, fmt::format("--api-key-file {}, line {}", file, line_number)));
    result.digests_.push_back(DigestOf({key.data(), key.size()}));
  }
  if (result.digests_.size() > before) return result;
  return absl::InvalidArgumentError(fmt::format("--api-key-file {} holds no key: write one a line", file));
}

bool AccessKeys::Accept(std::string_view presented) const {
  if (!required()) return true;
  const Digest digest = DigestOf(presented);
  int found = 0;
  for (const Digest& key : digests_) {
    found |= static_cast<int>(CRYPTO_memcmp(digest.data(), key.data(), digest.size()) == 0);
  }
  return found != 0;
}

bool AccessKeys::AcceptAuthorization(std::string_view header) const {
  constexpr absl::string_view kScheme = "Bearer ";
  if (!required()) return true;
  if (!absl::StartsWithIgnoreCase(absl::string_view(header.data(), header.size()), kScheme)) return false;
  return Accept(header.substr(kScheme.size()));
}

}  // namespace batucada
