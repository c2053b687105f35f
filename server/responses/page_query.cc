#include "server/responses/page_query.h"

#include <string>

#include <fmt/format.h>

#include "absl/strings/numbers.h"
#include "base/json.h"
#include "base/status.h"
#include "server/common/error.h"
#include "server/http/query.h"
#include "server/responses/response_request.h"

namespace batucada {
namespace {

constexpr int64_t kMostAtOnce = 100;

}  // namespace

absl::StatusOr<StringMap<std::string>> ReadItemQuery(std::string_view query,
                                                     std::initializer_list<std::string_view> known,
                                                     UnknownMembers* unknown) {
  std::vector<std::string> include;
  BATUCADA_ASSIGN_OR_RETURN(StringMap<std::string> read,
                            ReadQuery(query, known, unknown, {"include", "include[]"}, &include));
  for (const std::string& name : include) {
    if (IsIncludable(name)) continue;
    return InvalidParameter(
        "include", fmt::format("include is '{}': that is nothing that a response may include", Printable(name)));
  }
  return read;
}

absl::StatusOr<PageRequest> ReadPageQuery(std::string_view query, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(const StringMap<std::string> read,
                            ReadItemQuery(query, {"limit", "order", "after"}, unknown));
  PageRequest page;
  if (const auto limit = read.find("limit"); limit != read.end()) {
    if (!absl::SimpleAtoi(limit->second, &page.limit) || page.limit < 1 || page.limit > kMostAtOnce) {
      return InvalidParameter("limit", fmt::format("limit is '{}': it must be a whole number, 1 to {}",
                                                   Printable(limit->second), kMostAtOnce));
    }
  }
  if (const auto order = read.find("order"); order != read.end()) {
    page.ascending = order->second == "asc";
    if (!page.ascending && order->second != "desc") {
      return InvalidParameter("order", fmt::format("order is '{}': it must be asc or desc", Printable(order->second)));
    }
  }
  if (const auto after = read.find("after"); after != read.end()) page.after = after->second;
  return page;
}

Headers IgnoredHeader(const UnknownMembers& unknown) {
  if (unknown.ignored == 0) return {};
  return {{kIgnoredParameters, unknown.List()}};
}

std::string PageJson(const ItemPage& page) {
  std::string text;
  JsonWriter json(&text);
  json.BeginObject().Key("object").String("list").Key("data").BeginArray();
  for (const StoredItem& item : page.items) json.Raw(item.json);
  json.EndArray();
  const bool none = page.items.empty();
  json.Key("first_id");
  none ? json.Null() : json.String(page.items.front().id);
  json.Key("last_id");
  none ? json.Null() : json.String(page.items.back().id);
  json.Key("has_more").Bool(page.has_more).EndObject();
  return text;
}

}  // namespace batucada
