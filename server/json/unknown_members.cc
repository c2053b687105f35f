#include "server/json/unknown_members.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace batucada {
namespace {

constexpr size_t kMaxNameBytes = 64;

bool IsPlain(char c) {
  constexpr std::string_view kMarks = "_-.[]";
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || kMarks.find(c) != kMarks.npos;
}

}  // namespace

std::string UnknownMembers::List() const {
  std::string list;
  for (const std::string& name : named) {
    const bool plain = name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), IsPlain);
    list.append(list.empty() ? "" : ", ").append(plain ? name : "?");
  }
  if (ignored > named.size()) list += ", ...";
  return list;
}

}  // namespace batucada
