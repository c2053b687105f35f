#include "server/json/parameter_table.h"

#include <fmt/format.h>

#include "base/json.h"
#include "server/common/error.h"

namespace batucada {

absl::StatusOr<boost::json::object> ParseBody(std::string_view body) {
  absl::StatusOr<boost::json::value> json = ParseJson(body, "the request body");
  if (!json.ok()) return WithParameter(json.status(), "", "invalid_json");
  if (!json->is_object()) {
    return InvalidParameter("", fmt::format("the request body must be a JSON object, not {}", DescribeJson(*json)),
                            "invalid_json");
  }
  return std::move(json->get_object());
}

}  // namespace batucada
