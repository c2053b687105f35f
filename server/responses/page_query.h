// Which part of a list a client asks for: ?limit=20&order=desc&after=ID
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/strings.h"
#include "server/http/http.h"
#include "server/json/json_writer.h"
#include "server/json/unknown_members.h"
#include "server/store/records.h"

namespace batucada {

// ReadQuery beside OpenAI's `include`, which must be what POST takes and adds nothing that there would be.
absl::StatusOr<StringMap<std::string>> ReadItemQuery(std::string_view query,
                                                     std::initializer_list<std::string_view> known,
                                                     UnknownMembers* unknown);

// INVALID_ARGUMENT names the parameter: see ReadItemQuery.
absl::StatusOr<PageRequest> ReadPageQuery(std::string_view query, UnknownMembers* unknown);

// The header that names what had no effect; none, if there is nothing.
Headers IgnoredHeader(const UnknownMembers& unknown);

// {"object":"list","data":[…],"first_id":…,"last_id":…,"has_more":…}
std::string PageJson(const ItemPage& page);

}  // namespace batucada
