#include "server/json/parameter_table.h"

#include <fmt/format.h>

#include "base/json.h"
#include "server/common/error.h"

namespace batucada {

absl::StatusOr<boost::json::object> ParseBody(std::string_view body, ListsApart* apart) {
  // A byte order mark, which some clients' UTF-8 begins with, may be ignored (RFC 8259, 8.1).
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (body.starts_with(kMark)) body.remove_prefix(kMark.size());
  absl::StatusOr<boost::json::value> json = ParseJson(body, "the request body", apart);
  if (!json.ok()) return WithParameter(json.status(), "", "invalid_json");
  if (!json->is_object()) {
    return InvalidParameter("", fmt::format("the request body must be a JSON object, not {}", DescribeJson(*json)),
                            "invalid_json");
  }
  return std::move(json->get_object());
}

}  // namespace batucada
