// Items in the order in which a model sees them, as a tree: each knows the one before it. What two responses have in
// common, because both go on from the same, is there once; who deletes one of them takes nothing from the other.
//
// An item is held by those behind it and by the responses and conversations that end at it, and goes with the last of
// these.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/records.h"
#include "server/store/sqlite.h"

namespace batucada {

// Of one history; more than a chat template is given at once.
inline constexpr int64_t kMaxHistoryItems = 8192;

// A page that has so much text ends there, whatever was asked for.
inline constexpr size_t kMaxPageBytes = 1 << 20;

// CRC-32 of an id and a text: what is read is what was written.
int64_t ChecksumOf(std::string_view id, std::string_view text);

// Works inside the caller's transactions; as thread-safe as the database. Everywhere NOT_FOUND means that an item is
// gone, or that its checksum does not match; INVALID_ARGUMENT of Page that page.after is none of the history's items.
class ItemTree {
 public:
  // `database` has the schema (schema.h) and outlives this.
  explicit ItemTree(Database& database) : database_(database) {}

  // The node of the last of `items`, put behind `parent`; `parent` itself if there are none. Held by nobody yet.
  // INVALID_ARGUMENT if the history would have more than kMaxHistoryItems.
  [[nodiscard]] absl::StatusOr<ItemNode> Append(StoreScope scope, ItemNode parent,
                                                const std::vector<StoredItem>& items);
  // Holding and releasing the beginning (0) does nothing.
  [[nodiscard]] absl::Status Hold(ItemNode node);
  [[nodiscard]] absl::Status Release(ItemNode node);

  [[nodiscard]] absl::StatusOr<History> HistoryOf(ItemNode last);
  // From behind `begin`, one of those before `last`, to `last`, in order.
  [[nodiscard]] absl::StatusOr<std::vector<StoredItem>> Between(ItemNode begin, ItemNode last);
  [[nodiscard]] absl::StatusOr<ItemPage> Page(ItemNode last, const PageRequest& page);
  // The last of that id up to `last`.
  [[nodiscard]] absl::StatusOr<ItemNode> Find(ItemNode last, const std::string& id);
  [[nodiscard]] absl::StatusOr<StoredItem> Get(ItemNode node);
  // The last item of that id in a scope, in whatever history.
  [[nodiscard]] absl::StatusOr<StoredItem> FindAnywhere(StoreScope scope, const std::string& id);
  // Where the history up to `last` ends when it has no `gone`, one of its items: what follows that is written again.
  [[nodiscard]] absl::StatusOr<ItemNode> Without(StoreScope scope, ItemNode last, ItemNode gone);

 private:
  // Calls `visit` for each node and its id from `last` to the beginning, or until it says false.
  absl::Status Walk(ItemNode last, const std::function<bool(ItemNode node, std::string_view id)>& visit);
  absl::StatusOr<ItemNode> ParentOf(ItemNode node);

  Database& database_;
};

}  // namespace batucada
