// The store's transactions, and the room that they have.
#include <algorithm>
#include <vector>

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "server/store/store.h"
#include "server/store/store_file.h"

namespace batucada {
namespace {

constexpr int64_t kMostRowBytes = 256;     // that a row may take beside its texts, at most
constexpr int64_t kSpareBytes = 64 << 10;  // of pages that are only partly used
constexpr int kDeletedAtOnce = 32;         // records, by a transaction

// What keeps a record from being written, whoever's fault it is.
bool IsFault(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDataLoss(status) || absl::IsInternal(status);
}

// What only deletes must not fail for want of the room that it would make.
absl::Status WithReserve(const std::string& directory, const std::function<absl::Status()>& deletes) {
  const absl::Status status = deletes();
  if (!absl::IsUnavailable(status) || !SpendReserve(directory)) return status;
  spdlog::warn("the store spends the room that it has kept for deleting, as there seems to be no other");
  return deletes();
}

}  // namespace

absl::Status Store::CheckSize(int64_t bytes) const {
  const int64_t most = options_.max_bytes / 4;
  if (bytes <= most) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("it has ", bytes, " bytes, and may have a quarter of --store-size, ", most));
}

absl::Status Store::Write(const Load& load, const std::function<absl::Status()>& body) {
  BATUCADA_RETURN_IF_ERROR(CheckSize(load.bytes));
  if (load.bytes + load.rows > 0) BATUCADA_RETURN_IF_ERROR(MakeRoomFor(load));
  const std::lock_guard lock(mutex_);
  const auto transact = [&] { return Transact(body); };
  return load.bytes + load.rows > 0 ? transact() : WithReserve(options_.directory, transact);
}

absl::Status Store::Transact(const std::function<absl::Status()>& body) {
  BATUCADA_RETURN_IF_ERROR(SeeToFile());
  tick_ = std::max(options_.now(), tick_ + 1);
  deleted_ = 0;
  absl::Status status = database_->Run("BEGIN IMMEDIATE");
  items_->Allow(kStepItems);
  if (status.ok()) status = body();
  if (status.ok()) status = MakeRoom();
  if (status.ok()) status = database_->Run("COMMIT");
  if (status.ok()) {
    evicted_ += deleted_;
    Note(status);
    return Publish();
  }
  // SQLite has done so already after some errors; then this one says that there is nothing to take back.
  database_->Run("ROLLBACK").IgnoreError();
  if (IsFault(status)) {
    ++failures_;
    Note(status);
  }
  if (absl::IsDataLoss(status)) BeginAnew(status);
  return status;
}

absl::Status Store::MakeRoomFor(const Load& load) {
  const int64_t most =
      std::max(options_.max_bytes / 2, options_.max_bytes - load.bytes - load.rows * kMostRowBytes - kSpareBytes);
  for (bool more = true; more;) {
    const std::lock_guard lock(mutex_);
    if (database_ == nullptr) BATUCADA_RETURN_IF_ERROR(OpenDatabase());
    BATUCADA_ASSIGN_OR_RETURN(const int64_t used, UsedBytes());
    if (used <= most) break;
    BATUCADA_RETURN_IF_ERROR(Transact([&]() -> absl::Status {
      BATUCADA_ASSIGN_OR_RETURN(more, FreeSome(most));
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();  // what is missing is found out by the write itself
}

absl::Status Store::MakeRoom() {
  while (true) {
    BATUCADA_ASSIGN_OR_RETURN(const int64_t used, UsedBytes());
    if (used <= options_.max_bytes) return absl::OkStatus();
    BATUCADA_ASSIGN_OR_RETURN(const bool freed, FreeSome(options_.max_bytes));
    if (!freed) return absl::ResourceExhaustedError("there is no room for it within --store-size");
  }
}

absl::StatusOr<bool> Store::FreeSome(int64_t most) {
  items_->Allow(kStepItems);
  BATUCADA_RETURN_IF_ERROR(items_->ReleaseSome().status());
  bool freed = items_->allowed() < kStepItems;
  for (int i = 0; i < kDeletedAtOnce && items_->allowed() > 0; ++i) {
    BATUCADA_ASSIGN_OR_RETURN(const bool evicted, Evict());
    if (!evicted) break;
    freed = true;
    BATUCADA_ASSIGN_OR_RETURN(const int64_t used, UsedBytes());
    if (used <= most) break;
  }
  return freed;
}

absl::StatusOr<bool> Store::Evict() {
  std::vector<StoreScope> owners;
  {
    Query query(*database_, "SELECT scope FROM shares ORDER BY bytes DESC");
    while (true) {
      BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
      if (!found) break;
      owners.push_back(static_cast<StoreScope>(query.Int(0)));
    }
  }
  for (const StoreScope owner : owners) {
    Record oldest;
    {
      Query query(*database_,
                  "SELECT * FROM (SELECT used, id, 1 FROM responses WHERE scope = ?1 ORDER BY used LIMIT 1) UNION ALL "
                  "SELECT * FROM (SELECT used, id, 0 FROM conversations WHERE scope = ?1 ORDER BY used LIMIT 1) "
                  "ORDER BY used LIMIT 1",
                  static_cast<int64_t>(owner));
      BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
      if (!found || query.Int(0) >= tick_) continue;
      oldest = {.scope = owner, .id = std::string(query.Text(1)), .is_response = query.Int(2) == 1};
    }
    BATUCADA_RETURN_IF_ERROR(Remove(oldest));
    ++deleted_;
    return true;
  }
  return false;
}

absl::StatusOr<bool> Store::DeleteOldest(int64_t before) {
  Record oldest;
  {
    Query query(*database_,
                "SELECT * FROM (SELECT used, scope, id, 1 FROM responses ORDER BY used LIMIT 1) UNION ALL "
                "SELECT * FROM (SELECT used, scope, id, 0 FROM conversations ORDER BY used LIMIT 1) "
                "ORDER BY used LIMIT 1");
    BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found || query.Int(0) >= before) return false;
    oldest = {.scope = static_cast<StoreScope>(query.Int(1)),
              .id = std::string(query.Text(2)),
              .is_response = query.Int(3) == 1};
  }
  BATUCADA_RETURN_IF_ERROR(Remove(oldest));
  return true;
}

absl::Status Store::Remove(const Record& record) {
  return record.is_response ? RemoveResponse(record.scope, record.id) : RemoveConversation(record.scope, record.id);
}

absl::StatusOr<int64_t> Store::UsedBytes() {
  BATUCADA_ASSIGN_OR_RETURN(const int64_t pages, database_->Number("PRAGMA page_count"));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t free, database_->Number("PRAGMA freelist_count"));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t page_bytes, database_->Number("PRAGMA page_size"));
  return (pages - free) * page_bytes;
}

absl::Status Store::Publish() {
  Query query(*database_, "SELECT items, responses, conversations, EXISTS(SELECT 1 FROM loose) FROM counts");
  BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) return absl::DataLossError("it does not count its rows");
  item_count_ = query.Int(0);
  responses_ = query.Int(1);
  conversations_ = query.Int(2);
  leftovers_ = query.Int(3) != 0;
  BATUCADA_ASSIGN_OR_RETURN(bytes_, UsedBytes());
  return absl::OkStatus();
}

StoreStats Store::Stats() const {
  return {.responses = responses_,
          .conversations = conversations_,
          .items = item_count_,
          .bytes = bytes_,
          .capacity_bytes = options_.max_bytes,
          .evicted = evicted_,
          .expired = expired_,
          .failures = failures_};
}

bool Store::Sweep() {
  const std::lock_guard lock(mutex_);
  int deleted = 0;
  bool left = false;
  const auto sweep = [&]() -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(left, items_->ReleaseSome());
    const int64_t earliest = EarliestUse();
    for (deleted = 0; deleted < kDeletedAtOnce && items_->allowed() > 0; ++deleted) {
      BATUCADA_ASSIGN_OR_RETURN(const bool more, DeleteOldest(earliest));
      if (!more) return absl::OkStatus();
    }
    left = true;
    return absl::OkStatus();
  };
  const absl::Status status = WithReserve(options_.directory, [&] { return Transact(sweep); });
  if (!status.ok()) return false;
  KeepReserve(options_.directory, options_.max_bytes);  // where it was spent, and there is room again
  expired_ += static_cast<uint64_t>(deleted);
  leftovers_ = left;
  return left;
}

}  // namespace batucada
