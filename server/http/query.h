// The parameters of a query: "limit=20&order=desc".
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/strings.h"
#include "server/json/unknown_members.h"

namespace batucada {

// Those that are `known`, decoded: + is a blank. INVALID_ARGUMENT names one that is there twice, for nobody can say
// which is meant, or whose escapes are none; or one that is not known, unless `unknown` says that such are ignored.
// `lists` are known too, may be there often, and their values go to `listed`.
absl::StatusOr<StringMap<std::string>> ReadQuery(std::string_view query, std::initializer_list<std::string_view> known,
                                                 UnknownMembers* unknown,
                                                 std::initializer_list<std::string_view> lists = {},
                                                 std::vector<std::string>* listed = nullptr);

}  // namespace batucada
