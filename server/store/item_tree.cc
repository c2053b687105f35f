#include "server/store/item_tree.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/crc32.h"
#include "base/json.h"
#include "base/status.h"

namespace batucada {
namespace {

absl::Status Gone() { return absl::NotFoundError("an item is not there any more"); }

}  // namespace

int64_t ChecksumOf(std::string_view id, std::string_view text) {
  return Crc32(text.data(), text.size(), Crc32(id.data(), id.size()));
}

absl::StatusOr<ItemNode> ItemTree::Append(StoreScope scope, ItemNode parent, std::span<const StoredItem> items) {
  BATUCADA_RETURN_IF_ERROR(CheckLength(parent, static_cast<int64_t>(items.size())));
  BATUCADA_ASSIGN_OR_RETURN(History before, HistoryOf(parent));
  for (size_t i = 0; i < items.size(); ++i) {
    const StoredItem& item = items[i];
    const int64_t held = i + 1 < items.size() ? 1 : 0;  // by the next
    ++before.count;
    before.bytes += static_cast<int64_t>(item.json.size());
    Query insert(database_,
                 "INSERT INTO items(scope, parent, held, count, bytes, checksum, id, json) "
                 "VALUES(?1, ?2, ?8, ?3, ?4, ?5, ?6, ?7) RETURNING node",
                 static_cast<int64_t>(scope), before.last, before.count, before.bytes, ChecksumOf(item.id, item.json),
                 std::string_view(item.id), std::string_view(item.json), held);
    BATUCADA_ASSIGN_OR_RETURN(const bool inserted, insert.Next());
    BATUCADA_CHECK(inserted);
    const ItemNode node = insert.Int(0);
    BATUCADA_RETURN_IF_ERROR(insert.Finish());
    if (i == 0) BATUCADA_RETURN_IF_ERROR(Hold(parent));
    before.last = node;
  }
  return before.last;
}

absl::Status ItemTree::CheckLength(ItemNode parent, int64_t items) {
  BATUCADA_ASSIGN_OR_RETURN(const History before, HistoryOf(parent));
  if (before.count + items <= kMaxHistoryItems) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("there would be ", before.count + items, " items with those before: at most ", kMaxHistoryItems));
}

absl::StatusOr<absl::flat_hash_set<std::string>> ItemTree::SharedIds(StoreScope scope, ItemNode last,
                                                                     std::span<const StoredItem> items) {
  absl::flat_hash_set<std::string> shared;
  if (last == 0) return shared;
  absl::flat_hash_set<std::string_view> ids;
  bool known = std::ssize(items) > kStepItems;  // so many are not looked for one by one
  for (const StoredItem& item : items) {
    ids.insert(item.id);
    if (known) continue;
    Query query(database_, "SELECT 1 FROM items WHERE scope = ?1 AND id = ?2 LIMIT 1", static_cast<int64_t>(scope),
                std::string_view(item.id));
    BATUCADA_ASSIGN_OR_RETURN(known, query.Next());
  }
  if (!known) return shared;  // nor in any other history
  BATUCADA_RETURN_IF_ERROR(Walk(last, [&](ItemNode, std::string_view id) {
    if (ids.contains(id)) shared.emplace(id);
    return true;
  }));
  return shared;
}

absl::Status ItemTree::CheckIds(StoreScope scope, ItemNode last, std::span<const StoredItem> items) {
  BATUCADA_ASSIGN_OR_RETURN(const auto shared, SharedIds(scope, last, items));
  for (const StoredItem& item : items) {
    if (!shared.contains(item.id)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("there is an item of the id ", Printable(item.id), " already: give each its own, or none"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StoredItem>> ItemTree::NotThereYet(StoreScope scope, ItemNode last,
                                                              std::span<const StoredItem> items) {
  BATUCADA_ASSIGN_OR_RETURN(const auto shared, SharedIds(scope, last, items));
  std::vector<StoredItem> fresh;
  for (const StoredItem& item : items) {
    if (!shared.contains(item.id)) fresh.push_back(item);
  }
  return fresh;
}

absl::Status ItemTree::Hold(ItemNode node) {
  if (node == 0) return absl::OkStatus();
  return Query(database_, "UPDATE items SET held = held + 1 WHERE node = ?1", node).Finish();
}

absl::Status ItemTree::Release(ItemNode node) {
  while (node != 0) {
    if (allowed_ <= 0) return Query(database_, "INSERT INTO loose(node) VALUES(?1)", node).Finish();
    --allowed_;
    ItemNode parent = 0;
    {
      Query release(database_, "UPDATE items SET held = held - 1 WHERE node = ?1 RETURNING held, parent", node);
      BATUCADA_ASSIGN_OR_RETURN(const bool found, release.Next());
      if (!found) return absl::DataLossError("an item that is held is not there");
      const int64_t held = release.Int(0);
      parent = release.Int(1);
      BATUCADA_RETURN_IF_ERROR(release.Finish());
      if (held > 0) return absl::OkStatus();
    }
    BATUCADA_RETURN_IF_ERROR(Query(database_, "DELETE FROM items WHERE node = ?1", node).Finish());
    memory_.Forget(node);
    node = parent;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ItemTree::ReleaseSome() {
  while (true) {
    int64_t number = 0;
    ItemNode node = 0;
    {
      Query next(database_, "SELECT number, node FROM loose ORDER BY number");
      do {
        BATUCADA_ASSIGN_OR_RETURN(const bool found, next.Next());
        if (!found) return false;
        number = next.Int(0);
        node = next.Int(1);
      } while (drafts_.contains(number));
    }
    if (allowed_ <= 0) return true;
    BATUCADA_RETURN_IF_ERROR(Query(database_, "DELETE FROM loose WHERE number = ?1", number).Finish());
    BATUCADA_RETURN_IF_ERROR(Release(node));
  }
}

absl::StatusOr<int64_t> ItemTree::BeginDraft(ItemNode node) {
  BATUCADA_RETURN_IF_ERROR(Hold(node));
  int64_t draft = 0;
  Query insert(database_, "INSERT INTO loose(node) VALUES(?1) RETURNING number", node);
  BATUCADA_ASSIGN_OR_RETURN(const bool inserted, insert.Next());
  BATUCADA_CHECK(inserted);
  draft = insert.Int(0);
  BATUCADA_RETURN_IF_ERROR(insert.Finish());
  drafts_.insert(draft);
  return draft;
}

absl::Status ItemTree::MoveDraft(int64_t draft, ItemNode node) {
  ItemNode before = 0;
  {
    Query held(database_, "SELECT node FROM loose WHERE number = ?1", draft);
    BATUCADA_ASSIGN_OR_RETURN(const bool found, held.Next());
    if (!found) return Gone();
    before = held.Int(0);
  }
  BATUCADA_RETURN_IF_ERROR(Hold(node));
  BATUCADA_RETURN_IF_ERROR(Query(database_, "UPDATE loose SET node = ?1 WHERE number = ?2", node, draft).Finish());
  return Release(before);
}

absl::StatusOr<History> ItemTree::HistoryOf(ItemNode last) {
  if (last == 0) return History{};
  Query query(database_, "SELECT count, bytes FROM items WHERE node = ?1", last);
  BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) return Gone();
  return History{.last = last, .count = query.Int(0), .bytes = query.Int(1)};
}

absl::StatusOr<ItemNode> ItemTree::ParentOf(ItemNode node) {
  Query query(database_, "SELECT parent FROM items WHERE node = ?1", node);
  BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
  // A parent is older than its child: in a damaged file, too, the way ends.
  return found && query.Int(0) < node ? absl::StatusOr<ItemNode>(query.Int(0)) : Gone();
}

absl::StatusOr<StoredItem> ItemTree::Get(ItemNode node) {
  Query query(database_, "SELECT id, json, checksum FROM items WHERE node = ?1", node);
  BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found || query.Int(2) != ChecksumOf(query.Text(0), query.Text(1))) return Gone();
  return StoredItem{.id = std::string(query.Text(0)), .json = std::string(query.Text(1))};
}

absl::StatusOr<std::vector<StoredItem>> ItemTree::Between(ItemNode begin, ItemNode last) {
  std::vector<StoredItem> items;
  for (ItemNode node = last; node != begin;) {
    if (node == 0 || std::ssize(items) == kMaxHistoryItems) return Gone();
    BATUCADA_ASSIGN_OR_RETURN(StoredItem item, Get(node));
    items.push_back(std::move(item));
    BATUCADA_ASSIGN_OR_RETURN(node, ParentOf(node));
  }
  std::reverse(items.begin(), items.end());
  return items;
}

absl::Status ItemTree::Walk(ItemNode last, const std::function<bool(ItemNode node, std::string_view id)>& visit) {
  if (last == 0) return absl::OkStatus();
  // As ParentOf and Between.
  Query query(database_,
              "WITH RECURSIVE back(node, parent, id) AS (SELECT node, parent, id FROM items WHERE node = ?1 UNION ALL "
              "SELECT items.node, items.parent, items.id FROM back JOIN items ON items.node = back.parent "
              "AND items.node < back.node LIMIT ?2) SELECT node, parent, id FROM back",
              last, kMaxHistoryItems);
  for (ItemNode node = last; node != 0; node = query.Int(1)) {
    BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) return Gone();
    if (!visit(query.Int(0), query.Text(2))) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<ItemNode> ItemTree::Find(ItemNode last, const std::string& id, std::vector<ItemNode>* behind) {
  ItemNode found = 0;
  BATUCADA_RETURN_IF_ERROR(Walk(last, [&](ItemNode node, std::string_view at) {
    if (at == id) {
      found = node;
    } else if (behind != nullptr) {
      behind->push_back(node);
    }
    return found == 0;
  }));
  if (found == 0) return Gone();
  if (behind != nullptr) std::reverse(behind->begin(), behind->end());
  return found;
}

absl::StatusOr<StoredItem> ItemTree::FindAnywhere(StoreScope scope, const std::string& id) {
  ItemNode node = 0;
  {
    Query query(database_, "SELECT max(node) FROM items WHERE scope = ?1 AND id = ?2", static_cast<int64_t>(scope),
                std::string_view(id));
    BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
    if (found) node = query.Int(0);
  }
  return Get(node);
}

absl::StatusOr<ItemPage> ItemTree::Page(ItemNode last, const PageRequest& page) {
  std::vector<ItemNode> nodes;
  size_t after = 0;  // place in `nodes` of page.after, and one more
  BATUCADA_RETURN_IF_ERROR(Walk(last, [&](ItemNode node, std::string_view id) {
    nodes.push_back(node);
    if (after == 0 && !page.after.empty() && id == page.after) after = nodes.size();
    return true;
  }));
  if (!page.after.empty() && after == 0) return absl::InvalidArgumentError("after is no item of this list");
  if (page.ascending) {
    std::reverse(nodes.begin(), nodes.end());
    if (after > 0) after = nodes.size() - after + 1;
  }
  const size_t end = std::min(nodes.size(), after + static_cast<size_t>(page.limit));
  ItemPage result;
  size_t at = after, bytes = 0;
  for (; at < end && bytes < kMaxPageBytes; ++at) {
    BATUCADA_ASSIGN_OR_RETURN(StoredItem item, Get(nodes[at]));
    bytes += item.json.size();
    result.items.push_back(std::move(item));
  }
  result.has_more = at < nodes.size();
  return result;
}

}  // namespace batucada
