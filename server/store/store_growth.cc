// Everything that makes histories longer, or writes them again: by branches (branch.h), in steps. Where what they grow
// from has moved meanwhile they are begun again, and the last time under the lock, so that nobody is kept from ever
// ending.
#include <algorithm>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "server/store/branch.h"
#include "server/store/store.h"

namespace batucada {
namespace {

constexpr int kAttempts = 3;

int64_t TextBytes(std::span<const StoredItem> items) {
  int64_t bytes = 0;
  for (const StoredItem& item : items) bytes += static_cast<int64_t>(item.id.size() + item.json.size());
  return bytes;
}

int64_t RowsOf(std::span<const StoredItem> items) { return static_cast<int64_t>(items.size()); }

// Of a transaction that is taken back, for what it began from has moved.
absl::Status Moved() { return absl::AbortedError("it has moved meanwhile"); }

}  // namespace

absl::Status Store::CreateConversation(StoreScope scope, const StoredConversation& conversation,
                                       const std::vector<StoredItem>& items) {
  const auto more = static_cast<int64_t>(conversation.metadata.size());
  BATUCADA_RETURN_IF_ERROR(CheckSize(TextBytes(items) + more));
  Branch branch(*this, scope, 0);
  std::span<const StoredItem> rest = items;
  BATUCADA_RETURN_IF_ERROR(branch.Grow(&rest));
  return Write({.bytes = TextBytes(rest) + more, .rows = RowsOf(rest) + 1}, [&]() -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(const ItemNode last, items_->Append(scope, branch.last(), rest));
    BATUCADA_RETURN_IF_ERROR(items_->Hold(last));
    return Query(*database_,
                 "INSERT INTO conversations(scope, id, used, created, last, checksum, metadata) "
                 "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                 static_cast<int64_t>(scope), std::string_view(conversation.id), tick_, conversation.created, last,
                 ChecksumOf(conversation.id, conversation.metadata), std::string_view(conversation.metadata))
        .Finish();
  });
}

absl::Status Store::AppendItems(StoreScope scope, const std::string& conversation,
                                const std::vector<StoredItem>& items) {
  BATUCADA_RETURN_IF_ERROR(CheckSize(TextBytes(items)));
  for (int attempt = 1;; ++attempt) {
    BATUCADA_ASSIGN_OR_RETURN(const History before, HistoryOfConversation(scope, conversation));
    Branch branch(*this, scope, before.last);
    std::span<const StoredItem> rest = items;
    {
      const std::lock_guard lock(mutex_);
      BATUCADA_RETURN_IF_ERROR(Read([&] { return items_->CheckIds(scope, before.last, items); }));
    }
    if (attempt < kAttempts) BATUCADA_RETURN_IF_ERROR(branch.Grow(&rest));
    const absl::Status status = Write({.bytes = TextBytes(rest), .rows = RowsOf(rest)}, [&]() -> absl::Status {
      BATUCADA_ASSIGN_OR_RETURN(const ItemNode end, ConversationEnd(scope, conversation));
      if (branch.grown() && end != branch.parent()) return Moved();
      if (end != before.last) BATUCADA_RETURN_IF_ERROR(items_->CheckIds(scope, end, items));
      BATUCADA_ASSIGN_OR_RETURN(const ItemNode last, items_->Append(scope, branch.grown() ? branch.last() : end, rest));
      return MoveConversation(scope, conversation, last);
    });
    if (!absl::IsAborted(status)) return status;
  }
}

absl::Status Store::PutResponse(StoreScope scope, const StoredResponse& response) {
  const auto object = static_cast<int64_t>(response.json.size());
  BATUCADA_RETURN_IF_ERROR(CheckSize(object + TextBytes(response.input) + TextBytes(response.output)));
  Branch branch(*this, scope, response.history.last);
  std::span<const StoredItem> rest = response.input;
  BATUCADA_RETURN_IF_ERROR(branch.Grow(&rest));
  bool grows = !response.conversation.empty() && response.state == ResponseState::kEnded;
  for (int attempt = 1;; ++attempt) {
    // Of a conversation that has grown meanwhile by something else: by this, too.
    ItemNode end = response.history.last;
    if (grows) {
      const absl::StatusOr<History> now = HistoryOfConversation(scope, response.conversation);
      if (!now.ok() && !absl::IsNotFound(now.status())) return now.status();
      if (now.ok()) end = now->last;
      grows = now.ok();  // one that was deleted meanwhile does not; the response is there without it
    }
    Branch behind(*this, scope, end);
    std::vector<StoredItem> fresh;  // an id is one item's: what another has given it meanwhile is there
    if (grows && end != response.history.last && attempt < kAttempts) {
      const std::lock_guard lock(mutex_);
      const absl::Status read = Read([&]() -> absl::Status {
        BATUCADA_ASSIGN_OR_RETURN(fresh, items_->NotThereYet(scope, end, response.input));
        return absl::OkStatus();
      });
      if (absl::IsNotFound(read)) continue;  // it was deleted, or cut, since
      BATUCADA_RETURN_IF_ERROR(read);
    }
    std::span<const StoredItem> again = fresh;
    if (end != response.history.last && attempt < kAttempts) BATUCADA_RETURN_IF_ERROR(behind.Grow(&again));
    const Load load = {.bytes = object + TextBytes(rest) + TextBytes(response.output),
                       .rows = RowsOf(rest) + RowsOf(response.output) + 1};
    const absl::Status status = Write(load, [&]() -> absl::Status {
      BATUCADA_ASSIGN_OR_RETURN(const ItemNode made, InsertResponse(scope, response, branch.last(), rest));
      if (!grows) return absl::OkStatus();
      const absl::StatusOr<ItemNode> found = ConversationEnd(scope, response.conversation);
      if (absl::IsNotFound(found.status())) return absl::OkStatus();
      BATUCADA_ASSIGN_OR_RETURN(const ItemNode now, found);
      if (now == response.history.last) return MoveConversation(scope, response.conversation, made);
      if (now != end && attempt < kAttempts) return Moved();
      if (attempt == kAttempts) {
        BATUCADA_ASSIGN_OR_RETURN(fresh, items_->NotThereYet(scope, now, response.input));
        again = fresh;
      }
      const ItemNode from = behind.grown() ? behind.last() : now;
      BATUCADA_ASSIGN_OR_RETURN(ItemNode last, items_->Append(scope, from, again));
      BATUCADA_ASSIGN_OR_RETURN(last, items_->Append(scope, last, response.output));
      return MoveConversation(scope, response.conversation, last);
    });
    if (!absl::IsAborted(status)) return status;
  }
}

absl::StatusOr<ItemNode> Store::InsertResponse(StoreScope scope, const StoredResponse& response, ItemNode given,
                                               std::span<const StoredItem> rest) {
  BATUCADA_ASSIGN_OR_RETURN(given, items_->Append(scope, given, rest));
  BATUCADA_ASSIGN_OR_RETURN(const ItemNode made, items_->Append(scope, given, response.output));
  BATUCADA_RETURN_IF_ERROR(items_->Hold(given));
  BATUCADA_RETURN_IF_ERROR(items_->Hold(made));
  BATUCADA_RETURN_IF_ERROR(RemoveResponse(scope, response.id));
  BATUCADA_RETURN_IF_ERROR(Query(*database_,
                                 "INSERT INTO responses(scope, id, used, given, made, state, checksum, json) "
                                 "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                                 static_cast<int64_t>(scope), std::string_view(response.id), tick_, given, made,
                                 static_cast<int64_t>(response.state), ChecksumOf(response.id, response.json),
                                 std::string_view(response.json))
                               .Finish());
  if (response.previous.empty()) return made;
  BATUCADA_RETURN_IF_ERROR(Query(*database_, "UPDATE responses SET used = ?1 WHERE scope = ?2 AND id = ?3", tick_,
                                 static_cast<int64_t>(scope), std::string_view(response.previous))
                               .Finish());
  return made;
}

absl::StatusOr<Store::Tail> Store::TailBehind(StoreScope scope, const std::string& conversation,
                                              const std::string& item) {
  Tail tail;
  BATUCADA_ASSIGN_OR_RETURN(tail.end, ConversationEnd(scope, conversation));
  BATUCADA_ASSIGN_OR_RETURN(const ItemNode gone, items_->Find(tail.end, item, &tail.nodes));
  BATUCADA_ASSIGN_OR_RETURN(tail.before, items_->ParentOf(gone));
  BATUCADA_ASSIGN_OR_RETURN(const History all, items_->HistoryOf(tail.end));
  BATUCADA_ASSIGN_OR_RETURN(const History up_to, items_->HistoryOf(gone));
  tail.history = {.last = tail.end, .count = all.count - up_to.count, .bytes = all.bytes - up_to.bytes};
  return tail;
}

absl::StatusOr<History> Store::BehindItem(StoreScope scope, const std::string& conversation, const std::string& item) {
  const std::lock_guard lock(mutex_);
  History behind;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(const Tail tail, TailBehind(scope, conversation, item));
    behind = tail.history;
    return absl::OkStatus();
  }));
  return behind;
}

absl::Status Store::DeleteConversationItem(StoreScope scope, const std::string& conversation, const std::string& item) {
  for (int attempt = 1;; ++attempt) {
    Tail tail;
    const bool whole = attempt == kAttempts;  // at once, under the lock
    if (!whole) {
      // It is in use, and no write that makes room for its copy should take it.
      BATUCADA_RETURN_IF_ERROR(Write({}, [&]() -> absl::Status {
        BATUCADA_ASSIGN_OR_RETURN(tail, TailBehind(scope, conversation, item));
        return MoveConversation(scope, conversation, tail.end);
      }));
    }
    Branch branch(*this, scope, tail.before);
    std::span<const ItemNode> rest = tail.nodes;
    const absl::Status copied = branch.Copy(&rest, tail.history.bytes);
    if (absl::IsNotFound(copied)) continue;  // another has deleted one of them
    BATUCADA_RETURN_IF_ERROR(copied);
    const absl::Status status = Write({.bytes = 0, .rows = static_cast<int64_t>(rest.size())}, [&]() -> absl::Status {
      if (whole) {
        BATUCADA_ASSIGN_OR_RETURN(tail, TailBehind(scope, conversation, item));
        rest = tail.nodes;
      }
      BATUCADA_ASSIGN_OR_RETURN(const ItemNode end, ConversationEnd(scope, conversation));
      if (end != tail.end) return Moved();
      std::vector<StoredItem> items;
      for (const ItemNode node : rest) {
        BATUCADA_ASSIGN_OR_RETURN(StoredItem stored, items_->Get(node));
        items.push_back(std::move(stored));
      }
      const ItemNode from = branch.grown() ? branch.last() : tail.before;
      BATUCADA_ASSIGN_OR_RETURN(const ItemNode last, items_->Append(scope, from, items));
      return MoveConversation(scope, conversation, last);
    });
    if (!absl::IsAborted(status)) return status;
  }
}

}  // namespace batucada
