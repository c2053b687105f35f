// Items in the order in which a model sees them, as a tree: each knows the one before it. What two responses have in
// common, because both go on from the same, is there once; who deletes one of them takes nothing from the other.
//
// An item is held by those behind it and by the responses and conversations that end at it, and goes with the last of
// these: at once, or for the end of a long history later (ReleaseSome), so that no transaction takes long.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/item_memory.h"
#include "server/store/records.h"
#include "server/store/sqlite.h"

namespace batucada {

// Of one history; more than a chat template is given at once.
inline constexpr int64_t kMaxHistoryItems = 8192;

// What one transaction writes or releases where it can leave the rest for another: a few milliseconds' work.
inline constexpr int64_t kStepItems = 128;
inline constexpr int64_t kStepBytes = 512 << 10;

// A page that has so much text ends there, whatever was asked for.
inline constexpr size_t kMaxPageBytes = 1 << 20;

// CRC-32 of an id and a text: what is read is what was written.
int64_t ChecksumOf(std::string_view id, std::string_view text);

// Works inside the caller's transactions; as thread-safe as the database. Everywhere NOT_FOUND means that an item is
// gone, or that its checksum does not match; INVALID_ARGUMENT of Page that page.after is none of the history's items.
class ItemTree {
 public:
  // `database` has the schema (schema.h); it and `memory`, which is told what goes, outlive this.
  ItemTree(Database& database, ItemMemory& memory) : database_(database), memory_(memory) {}

  // The node of the last of `items`, put behind `parent`; `parent` itself if there are none. Held by nobody yet.
  // INVALID_ARGUMENT if the history would have more than kMaxHistoryItems.
  [[nodiscard]] absl::StatusOr<ItemNode> Append(StoreScope scope, ItemNode parent, std::span<const StoredItem> items);
  [[nodiscard]] absl::Status CheckLength(ItemNode parent, int64_t items);  // the same, ahead of it
  // INVALID_ARGUMENT if one of the history up to `last` has an id of one of `items`.
  [[nodiscard]] absl::Status CheckIds(StoreScope scope, ItemNode last, std::span<const StoredItem> items);
  // Those of `items` whose ids none of that history has.
  [[nodiscard]] absl::StatusOr<std::vector<StoredItem>> NotThereYet(StoreScope scope, ItemNode last,
                                                                    std::span<const StoredItem> items);
  // Holding and releasing the beginning (0) does nothing.
  [[nodiscard]] absl::Status Hold(ItemNode node);
  [[nodiscard]] absl::Status Release(ItemNode node);
  // How many items Release and ReleaseSome may still take away, before they leave the rest.
  void Allow(int64_t items) { allowed_ = items; }
  int64_t allowed() const { return allowed_; }
  // Goes on with what was left. Whether there is more of it.
  [[nodiscard]] absl::StatusOr<bool> ReleaseSome();

  // A draft holds the end of a branch that grows in several transactions, from BeginDraft, whose number names it, until
  // EndDraft; then, or when the process has ended, its branch is released. NOT_FOUND if there is no such draft.
  [[nodiscard]] absl::StatusOr<int64_t> BeginDraft(ItemNode node);
  [[nodiscard]] absl::Status MoveDraft(int64_t draft, ItemNode node);
  void EndDraft(int64_t draft) { drafts_.erase(draft); }

  [[nodiscard]] absl::StatusOr<History> HistoryOf(ItemNode last);
  // From behind `begin`, one of those before `last`, to `last`, in order.
  [[nodiscard]] absl::StatusOr<std::vector<StoredItem>> Between(ItemNode begin, ItemNode last);
  [[nodiscard]] absl::StatusOr<ItemPage> Page(ItemNode last, const PageRequest& page);
  // The last of that id up to `last`; those `behind` it, in order, if that is not null.
  [[nodiscard]] absl::StatusOr<ItemNode> Find(ItemNode last, const std::string& id,
                                              std::vector<ItemNode>* behind = nullptr);
  [[nodiscard]] absl::StatusOr<StoredItem> Get(ItemNode node);
  // The last item of that id in a scope, in whatever history.
  [[nodiscard]] absl::StatusOr<StoredItem> FindAnywhere(StoreScope scope, const std::string& id);
  [[nodiscard]] absl::StatusOr<ItemNode> ParentOf(ItemNode node);

 private:
  // The ids of `items` that the history up to `last` has.
  absl::StatusOr<absl::flat_hash_set<std::string>> SharedIds(StoreScope scope, ItemNode last,
                                                             std::span<const StoredItem> items);
  // Calls `visit` for each node and its id from `last` to the beginning, or until it says false.
  absl::Status Walk(ItemNode last, const std::function<bool(ItemNode node, std::string_view id)>& visit);

  Database& database_;
  ItemMemory& memory_;
  int64_t allowed_ = kStepItems;
  absl::flat_hash_set<int64_t> drafts_;
};

}  // namespace batucada
