#include "hub/hub_model.h"

#include <algorithm>

#include "base/strings.h"

namespace batucada {
namespace {

constexpr size_t kMostCharacters = 96;
constexpr size_t kCommitDigits = 40;

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

// One half of a repository's name. No path means anything but itself.
bool IsName(std::string_view name) {
  const auto edge = [](char c) { return c == '-' || c == '.'; };
  return !name.empty() && name.size() <= kMostCharacters && std::all_of(name.begin(), name.end(), IsPlain) &&
         !edge(name.front()) && !edge(name.back()) && name.find("--") == name.npos && name.find("..") == name.npos &&
         !name.ends_with(".git");
}

// A branch may have slashes: "refs/pr/1".
bool IsRevision(std::string_view revision) {
  if (revision.empty() || revision.size() > 2 * kMostCharacters || revision.ends_with('/')) return false;
  for (size_t begin = 0; begin <= revision.size();) {
    const size_t end = std::min(revision.find('/', begin), revision.size());
    const std::string_view part = revision.substr(begin, end - begin);
    if (part.empty() || part.front() == '.' || !std::all_of(part.begin(), part.end(), IsPlain)) return false;
    begin = end + 1;
  }
  return true;
}

}  // namespace

std::string HubModel::Name() const { return revision == "main" ? repository : Concat(repository, "@", revision); }

std::optional<HubModel> ParseHubModel(std::string_view text) {
  HubModel model;
  if (const size_t at = text.find('@'); at != text.npos) {
    model.revision = text.substr(at + 1);
    text = text.substr(0, at);
  }
  const size_t slash = text.find('/');
  if (slash == text.npos || !IsName(text.substr(0, slash)) || !IsName(text.substr(slash + 1)) ||
      !IsRevision(model.revision)) {
    return std::nullopt;
  }
  model.repository = text;
  return model;
}

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsCommit(std::string_view revision) { return IsHex(revision, kCommitDigits); }

}  // namespace batucada
