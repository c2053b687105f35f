#include "server/responses/page_query.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "absl/strings/numbers.h"
#include "base/json.h"
#include "server/common/error.h"
#include "server/http/router.h"

namespace batucada {
namespace {

constexpr int64_t kMostAtOnce = 100;

absl::Status ReadPair(const std::string& name, const std::string& value, PageRequest* page) {
  if (name == "limit") {
    if (absl::SimpleAtoi(value, &page->limit) && page->limit >= 1 && page->limit <= kMostAtOnce)
      return absl::OkStatus();
    return InvalidParameter(
        "limit", fmt::format("limit is '{}': it must be a whole number, 1 to {}", Printable(value), kMostAtOnce));
  }
  if (name == "order") {
    page->ascending = value == "asc";
    if (value == "asc" || value == "desc") return absl::OkStatus();
    return InvalidParameter("order", fmt::format("order is '{}': it must be asc or desc", Printable(value)));
  }
  if (name == "after") page->after = value;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PageRequest> ReadPageQuery(std::string_view query) {
  PageRequest page;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const size_t equals = std::min(pair.find('='), pair.size());
    std::string value, escaped(pair.substr(std::min(pair.size(), equals + 1)));
    std::replace(escaped.begin(), escaped.end(), '+', ' ');
    const std::string name(pair.substr(0, equals));
    if (!PercentDecode(escaped, &value)) {
      return InvalidParameter(Printable(name), fmt::format("{} has an escape that is none", Printable(name)));
    }
    if (absl::Status status = ReadPair(name, value, &page); !status.ok()) return status;
  }
  return page;
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
