// Which part of a list a client asks for: ?limit=20&order=desc&after=ID
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/json/json_writer.h"
#include "server/store/records.h"

namespace batucada {

// INVALID_ARGUMENT names the parameter. What else a query holds is passed over.
absl::StatusOr<PageRequest> ReadPageQuery(std::string_view query);

// {"object":"list","data":[…],"first_id":…,"last_id":…,"has_more":…}
std::string PageJson(const ItemPage& page);

}  // namespace batucada
