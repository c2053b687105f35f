// The store's conversations: each ends at an item, which moves on as it grows.
#include <string_view>
#include <utility>

#include "base/status.h"
#include "server/store/store.h"

namespace batucada {
namespace {

constexpr int64_t kMicroseconds = 1'000'000;  // a second's

absl::Status NoConversation() { return absl::NotFoundError("there is no such conversation"); }

}  // namespace

absl::StatusOr<StoredConversation> Store::GetConversation(StoreScope scope, const std::string& id) {
  const std::lock_guard lock(mutex_);
  StoredConversation conversation{.id = id};
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    Query query(
        *database_,
        "SELECT created, metadata, checksum, used FROM conversations WHERE scope = ?1 AND id = ?2 AND used >= ?3",
        static_cast<int64_t>(scope), std::string_view(id), EarliestUse());
    BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found || query.Int(2) != ChecksumOf(id, query.Text(1))) return NoConversation();
    conversation.created = query.Int(0);
    conversation.metadata = query.Text(1);
    conversation.used = query.Int(3) / kMicroseconds;
    return absl::OkStatus();
  }));
  return conversation;
}

absl::StatusOr<std::vector<ConversationUse>> Store::ListConversations(StoreScope scope, int64_t most) {
  const std::lock_guard lock(mutex_);
  std::vector<ConversationUse> uses;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    Query query(*database_,
                "SELECT id, used FROM conversations WHERE scope = ?1 AND used >= ?2 ORDER BY used DESC LIMIT ?3",
                static_cast<int64_t>(scope), EarliestUse(), most);
    while (true) {
      BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
      if (!found) return absl::OkStatus();
      uses.push_back({.id = std::string(query.Text(0)), .used = query.Int(1) / kMicroseconds});
    }
  }));
  return uses;
}

absl::Status Store::UpdateConversation(StoreScope scope, const std::string& id, const std::string& metadata) {
  return Write({.bytes = static_cast<int64_t>(metadata.size()), .rows = 1}, [&]() -> absl::Status {
    BATUCADA_RETURN_IF_ERROR(ConversationEnd(scope, id).status());
    return Query(*database_,
                 "UPDATE conversations SET metadata = ?1, checksum = ?2, used = ?3 WHERE scope = ?4 AND id = ?5",
                 std::string_view(metadata), ChecksumOf(id, metadata), tick_, static_cast<int64_t>(scope),
                 std::string_view(id))
        .Finish();
  });
}

absl::Status Store::DeleteConversation(StoreScope scope, const std::string& id) {
  return Write({}, [&]() -> absl::Status {
    BATUCADA_RETURN_IF_ERROR(ConversationEnd(scope, id).status());
    return RemoveConversation(scope, id);
  });
}

absl::Status Store::RemoveConversation(StoreScope scope, const std::string& id) {
  ItemNode last = 0;
  {
    Query removed(*database_, "DELETE FROM conversations WHERE scope = ?1 AND id = ?2 RETURNING last",
                  static_cast<int64_t>(scope), std::string_view(id));
    BATUCADA_ASSIGN_OR_RETURN(const bool found, removed.Next());
    if (!found) return absl::OkStatus();
    last = removed.Int(0);
    BATUCADA_RETURN_IF_ERROR(removed.Finish());
  }
  return items_->Release(last);
}

absl::StatusOr<ItemNode> Store::ConversationEnd(StoreScope scope, const std::string& id) {
  Query query(*database_, "SELECT last FROM conversations WHERE scope = ?1 AND id = ?2 AND used >= ?3",
              static_cast<int64_t>(scope), std::string_view(id), EarliestUse());
  BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
  return found ? absl::StatusOr<ItemNode>(query.Int(0)) : NoConversation();
}

absl::Status Store::MoveConversation(StoreScope scope, const std::string& id, ItemNode last) {
  BATUCADA_ASSIGN_OR_RETURN(const ItemNode before, ConversationEnd(scope, id));
  BATUCADA_RETURN_IF_ERROR(items_->Hold(last));
  BATUCADA_RETURN_IF_ERROR(items_->Release(before));
  return Query(*database_, "UPDATE conversations SET last = ?1, used = ?2 WHERE scope = ?3 AND id = ?4", last, tick_,
               static_cast<int64_t>(scope), std::string_view(id))
      .Finish();
}

absl::StatusOr<ItemPage> Store::ConversationItems(StoreScope scope, const std::string& id, const PageRequest& page) {
  const std::lock_guard lock(mutex_);
  ItemPage result;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(const ItemNode end, ConversationEnd(scope, id));
    BATUCADA_ASSIGN_OR_RETURN(result, items_->Page(end, page));
    return absl::OkStatus();
  }));
  return result;
}

absl::StatusOr<StoredItem> Store::ConversationItem(StoreScope scope, const std::string& conversation,
                                                   const std::string& item) {
  const std::lock_guard lock(mutex_);
  StoredItem result;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(const ItemNode end, ConversationEnd(scope, conversation));
    BATUCADA_ASSIGN_OR_RETURN(const ItemNode node, items_->Find(end, item));
    BATUCADA_ASSIGN_OR_RETURN(result, items_->Get(node));
    return absl::OkStatus();
  }));
  return result;
}

absl::StatusOr<History> Store::HistoryOfConversation(StoreScope scope, const std::string& id) {
  const std::lock_guard lock(mutex_);
  History history;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(const ItemNode end, ConversationEnd(scope, id));
    BATUCADA_ASSIGN_OR_RETURN(history, items_->HistoryOf(end));
    return absl::OkStatus();
  }));
  return history;
}

}  // namespace batucada
