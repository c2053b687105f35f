#include "server/common/access_keys.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/status.h"

namespace batucada {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;

absl::Status CheckKey(std::string_view key, const std::string& place) {
  const auto printable = [](char c) { return c > ' ' && c < 0x7f; };
  if (!key.empty() && std::all_of(key.begin(), key.end(), printable)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{}: a key must be printable ASCII without spaces, and not empty", place));
}

// Not echoed: it may be the rest of a key that was meant to hold a space.
absl::Status ReadRight(absl::string_view right, const std::string& place, ClientRights* rights) {
  if (right == "admin") {
    rights->admin = true;
    return absl::OkStatus();
  }
  if (absl::ConsumePrefix(&right, "priority=")) {
    if (absl::SimpleAtoi(right, &rights->most_urgent) && rights->most_urgent >= kMostUrgent &&
        rights->most_urgent <= kLeastUrgent) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        fmt::format("{}: priority= must be a whole number, {} to {}", place, kMostUrgent, kLeastUrgent));
  }
  return absl::InvalidArgumentError(fmt::format(
      "{}: after a key, parted by spaces, there may be 'admin' and 'priority=NUMBER', and nothing else", place));
}

// Of the digest, so that it is the same after a restart and in every replica.
uint64_t NameOf(const Sha256& digest) {
  uint64_t name = 0;
  std::memcpy(&name, digest.data(), sizeof(name));
  return std::max<uint64_t>(name, 1);
}

}  // namespace

AccessKeys::AccessKeys(ClientRights unless_told) : shared_(std::make_shared<Shared>()) {
  shared_->set = std::make_shared<const Set>(Set{.unless_told = unless_told, .keys = {}});
}

std::shared_ptr<const AccessKeys::Set> AccessKeys::Current() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->set;
}

void AccessKeys::Replace(const AccessKeys& other) {
  std::shared_ptr<const Set> set = other.Current();
  const std::lock_guard lock(shared_->mutex);
  shared_->set.swap(set);
}

absl::StatusOr<AccessKeys::Key> AccessKeys::Read(std::string_view line, const std::string& place,
                                                 ClientRights unless_told) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(absl::string_view(line.data(), line.size()), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  const absl::string_view key = words.empty() ? absl::string_view() : words.front();
  BATUCADA_RETURN_IF_ERROR(CheckKey({key.data(), key.size()}, place));
  Key read = {.digest = Sha256Of({key.data(), key.size()}), .rights = unless_told};
  for (size_t i = 1; i < words.size(); ++i) {
    const absl::string_view kind = words[i].substr(0, words[i].find('='));
    const auto same = [&](absl::string_view other) { return other.substr(0, other.find('=')) == kind; };
    BATUCADA_RETURN_IF_ERROR(ReadRight(words[i], place, &read.rights));
    if (std::any_of(words.begin() + 1, words.begin() + static_cast<std::ptrdiff_t>(i), same)) {
      return absl::InvalidArgumentError(
          fmt::format("{}: '{}' is there twice: leave one of them", place, std::string(kind)));
    }
  }
  return read;
}

absl::StatusOr<AccessKeys> AccessKeys::Load(const std::vector<std::string>& keys, const std::string& file,
                                            ClientRights unless_told) {
  Set set = {.unless_told = unless_told, .keys = {}};
  const auto made = [&set] {
    AccessKeys result;
    result.shared_->set = std::make_shared<const Set>(std::move(set));
    return result;
  };
  struct First {
    ClientRights rights;
    std::string place;
  };
  absl::flat_hash_map<Sha256, First> seen;
  const auto add = [&](std::string_view line, const std::string& place) -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(const Key key, Read(line, place, unless_told));
    const auto [first, is_new] = seen.try_emplace(key.digest, key.rights, place);
    if (!is_new && first->second.rights != key.rights) {  // whichever counted, somebody would expect the other
      return absl::InvalidArgumentError(
          fmt::format("{}: this key has other rights than in {}: name it once, with those that it has", place,
                      first->second.place));
    }
    set.keys.push_back(key);
    return absl::OkStatus();
  };
  for (const std::string& key : keys) BATUCADA_RETURN_IF_ERROR(add(key, "--api-key"));
  if (file.empty()) return made();
  const absl::StatusOr<std::string> text = ReadTextFile(file, kMaxFileBytes);
  if (!text.ok()) {
    return absl::InvalidArgumentError(fmt::format("--api-key-file: {}", std::string(text.status().message())));
  }
  const size_t before = set.keys.size();
  int line_number = 0;
  for (const absl::string_view whole : absl::StrSplit(*text, '\n')) {
    ++line_number;
    const absl::string_view line = absl::StripAsciiWhitespace(whole);
    if (line.empty() || line.front() == '#') continue;
    BATUCADA_RETURN_IF_ERROR(
        add({line.data(), line.size()}, fmt::format("--api-key-file {}, line {}", file, line_number)));
  }
  if (set.keys.size() > before) return made();
  return absl::InvalidArgumentError(fmt::format("--api-key-file {} holds no key: write one a line", file));
}

bool AccessKeys::any_admin() const {
  const auto set = Current();
  return std::any_of(set->keys.begin(), set->keys.end(), [](const Key& key) { return key.rights.admin; });
}

std::optional<Client> AccessKeys::Find(std::string_view presented) const {
  const auto set = Current();
  if (set->keys.empty()) return Client{.rights = set->unless_told};
  const auto digest = Sha256Of(presented);
  const Key* found = nullptr;
  for (const Key& key : set->keys) {
    if (CRYPTO_memcmp(digest.data(), key.digest.data(), digest.size()) == 0) found = &key;
  }
  if (found == nullptr) return std::nullopt;
  return Client{.key = NameOf(digest), .rights = found->rights};
}

std::optional<Client> AccessKeys::FindAuthorization(std::string_view header) const {
  constexpr absl::string_view kScheme = "Bearer ";
  const auto set = Current();
  if (set->keys.empty()) return Client{.rights = set->unless_told};
  if (!absl::StartsWithIgnoreCase(absl::string_view(header.data(), header.size()), kScheme)) return std::nullopt;
  return Find(header.substr(kScheme.size()));
}

}  // namespace batucada
