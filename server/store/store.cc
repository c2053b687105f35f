#include "server/store/store.h"

#include <algorithm>
#include <string_view>

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/status.h"
#include "server/store/store_file.h"

namespace batucada {
namespace {

int64_t BytesOf(const StoredResponse& response) {
  int64_t bytes = static_cast<int64_t>(response.json.size());
  for (const auto* items : {&response.input, &response.output}) {
    for (const StoredItem& item : *items) bytes += static_cast<int64_t>(item.id.size() + item.json.size());
  }
  return bytes;
}

// What keeps a record from being written, whoever's fault it is.
bool IsFault(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDataLoss(status) || absl::IsInternal(status);
}

std::string MessageOf(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  std::unique_ptr<Store> store(new Store(std::move(options)));
  const std::lock_guard lock(store->mutex_);
  absl::Status opened = store->OpenDatabase();
  if (absl::IsDataLoss(opened) && !store->options_.directory.empty()) {
    store->BeginAnew(opened);
    opened = store->database_ != nullptr ? absl::OkStatus() : opened;
  }
  BATUCADA_RETURN_IF_ERROR(opened);
  return store;
}

std::unique_ptr<Store> Store::InMemory() {
  absl::StatusOr<std::unique_ptr<Store>> store = Open({});
  BATUCADA_CHECK(store.ok(), MessageOf(store.status()));
  return *std::move(store);
}

absl::Status Store::OpenDatabase() {
  items_.reset();
  database_.reset();
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, OpenStoreFile(options_.directory, options_.max_bytes));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t latest,
                            database->Number("SELECT max(coalesce((SELECT max(used) FROM responses), 0), "
                                             "coalesce((SELECT max(used) FROM conversations), 0))"));
  database_ = std::move(database);
  items_ = std::make_unique<ItemTree>(*database_);
  tick_ = latest;
  return Publish();
}

void Store::BeginAnew(const absl::Status& reason) {
  items_.reset();
  database_.reset();
  const absl::Status aside = options_.directory.empty() ? absl::OkStatus() : SetStoreFileAside(options_.directory);
  const absl::Status opened = aside.ok() ? OpenDatabase() : aside;
  spdlog::error("the store in {} is not sound ({}): {}", options_.directory, Printable(MessageOf(reason)),
                opened.ok() ? "its file is store.db.corrupt now, and a fresh one begins"
                            : absl::StrCat("and a fresh one cannot begin: ", MessageOf(opened)));
}

void Store::Note(const absl::Status& failure) {
  if (failure.code() == failing_) return;
  failing_ = failure.code();
  if (!failure.ok()) spdlog::error("the store cannot be written: {}", MessageOf(failure));
}

absl::Status Store::Write(int64_t bytes, const std::function<absl::Status()>& body) {
  const int64_t most = options_.max_bytes / 4;
  if (bytes > most) {
    return absl::ResourceExhaustedError(
        absl::StrCat("it has ", bytes, " bytes, and may have a quarter of --store-size, ", most));
  }
  if (database_ == nullptr) BATUCADA_RETURN_IF_ERROR(OpenDatabase());
  tick_ = std::max(options_.now(), tick_ + 1);
  deleted_ = 0;
  absl::Status status = database_->Run("BEGIN IMMEDIATE");
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

absl::Status Store::Read(const std::function<absl::Status()>& body) {
  if (database_ == nullptr) BATUCADA_RETURN_IF_ERROR(OpenDatabase());
  const absl::Status status = body();
  if (!absl::IsDataLoss(status)) return status;
  BeginAnew(status);
  return absl::NotFoundError("the store's file was not sound");
}

absl::StatusOr<int64_t> Store::UsedBytes() {
  BATUCADA_ASSIGN_OR_RETURN(const int64_t pages, database_->Number("PRAGMA page_count"));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t free, database_->Number("PRAGMA freelist_count"));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t page_bytes, database_->Number("PRAGMA page_size"));
  return (pages - free) * page_bytes;
}

absl::Status Store::MakeRoom() {
  while (true) {
    BATUCADA_ASSIGN_OR_RETURN(const int64_t used, UsedBytes());
    if (used <= options_.max_bytes) return absl::OkStatus();
    BATUCADA_ASSIGN_OR_RETURN(const bool deleted, DeleteOldest(tick_));
    if (!deleted) return absl::ResourceExhaustedError("there is no room for it within --store-size");
    ++deleted_;
  }
}

absl::StatusOr<bool> Store::DeleteOldest(int64_t before) {
  StoreScope scope = 0;
  std::string id;
  bool is_response = false;
  {
    Query oldest(*database_,
                 "SELECT * FROM (SELECT used, scope, id, 1 FROM responses ORDER BY used LIMIT 1) UNION ALL "
                 "SELECT * FROM (SELECT used, scope, id, 0 FROM conversations ORDER BY used LIMIT 1) "
                 "ORDER BY used LIMIT 1");
    BATUCADA_ASSIGN_OR_RETURN(const bool found, oldest.Next());
    if (!found || oldest.Int(0) >= before) return false;
    scope = static_cast<StoreScope>(oldest.Int(1));
    id = oldest.Text(2);
    is_response = oldest.Int(3) == 1;
  }
  BATUCADA_RETURN_IF_ERROR(is_response ? RemoveResponse(scope, id) : RemoveConversation(scope, id));
  return true;
}

int64_t Store::EarliestUse() const { return options_.now() - absl::ToInt64Microseconds(options_.lifetime); }

absl::Status Store::Publish() {
  Query query(*database_, "SELECT items, responses, conversations FROM counts");
  BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) return absl::DataLossError("it does not count its rows");
  item_count_ = query.Int(0);
  responses_ = query.Int(1);
  conversations_ = query.Int(2);
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
  constexpr int kAtOnce = 64;
  const std::lock_guard lock(mutex_);
  int deleted = 0;
  const absl::Status status = Write(0, [&]() -> absl::Status {
    const int64_t earliest = EarliestUse();
    for (; deleted < kAtOnce; ++deleted) {
      BATUCADA_ASSIGN_OR_RETURN(const bool more, DeleteOldest(earliest));
      if (!more) break;
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return false;
  expired_ += static_cast<uint64_t>(deleted);
  return deleted == kAtOnce;
}

// --- responses
// --------------------------------------------------------------------------------------------------------

absl::Status Store::PutResponse(StoreScope scope, const StoredResponse& response) {
  const std::lock_guard lock(mutex_);
  return Write(BytesOf(response), [&] { return InsertResponse(scope, response); });
}

absl::Status Store::InsertResponse(StoreScope scope, const StoredResponse& response) {
  BATUCADA_ASSIGN_OR_RETURN(const ItemNode given, items_->Append(scope, response.history.last, response.input));
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
  if (!response.previous.empty()) {
    BATUCADA_RETURN_IF_ERROR(Query(*database_, "UPDATE responses SET used = ?1 WHERE scope = ?2 AND id = ?3", tick_,
                                   static_cast<int64_t>(scope), std::string_view(response.previous))
                                 .Finish());
  }
  if (response.conversation.empty() || response.state != ResponseState::kEnded) return absl::OkStatus();
  BATUCADA_ASSIGN_OR_RETURN(const ItemNode end, ConversationEnd(scope, response.conversation));
  ItemNode last = made;
  if (end != response.history.last) {  // it has grown meanwhile: by these, too
    BATUCADA_ASSIGN_OR_RETURN(last, items_->Append(scope, end, response.input));
    BATUCADA_ASSIGN_OR_RETURN(last, items_->Append(scope, last, response.output));
  }
  return MoveConversation(scope, response.conversation, last);
}

absl::Status Store::RemoveResponse(StoreScope scope, const std::string& id) {
  ItemNode given = 0, made = 0;
  {
    Query removed(*database_, "DELETE FROM responses WHERE scope = ?1 AND id = ?2 RETURNING given, made",
                  static_cast<int64_t>(scope), std::string_view(id));
    BATUCADA_ASSIGN_OR_RETURN(const bool found, removed.Next());
    if (!found) return absl::OkStatus();
    given = removed.Int(0);
    made = removed.Int(1);
    BATUCADA_RETURN_IF_ERROR(removed.Finish());
  }
  BATUCADA_RETURN_IF_ERROR(items_->Release(made));
  return items_->Release(given);
}

absl::StatusOr<ReadResponse> Store::GetResponse(StoreScope scope, const std::string& id) {
  const std::lock_guard lock(mutex_);
  ReadResponse response;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    Query query(*database_,
                "SELECT json, checksum, given, made, state FROM responses WHERE scope = ?1 AND id = ?2 AND used >= ?3",
                static_cast<int64_t>(scope), std::string_view(id), EarliestUse());
    BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) return absl::NotFoundError("there is no such response");
    if (query.Int(1) != ChecksumOf(id, query.Text(0))) {
      spdlog::error("the store has {} with a checksum that does not match: it is not given out", id);
      return absl::NotFoundError("there is no such response");
    }
    response.json = query.Text(0);
    response.state = static_cast<ResponseState>(query.Int(4));
    BATUCADA_ASSIGN_OR_RETURN(response.output, items_->Between(query.Int(2), query.Int(3)));
    return absl::OkStatus();
  }));
  return response;
}

absl::Status Store::DeleteResponse(StoreScope scope, const std::string& id) {
  const std::lock_guard lock(mutex_);
  return Write(0, [&]() -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(const int64_t before, database_->Number("SELECT responses FROM counts"));
    BATUCADA_RETURN_IF_ERROR(RemoveResponse(scope, id));
    BATUCADA_ASSIGN_OR_RETURN(const int64_t after, database_->Number("SELECT responses FROM counts"));
    return after < before ? absl::OkStatus() : absl::NotFoundError("there is no such response");
  });
}

absl::StatusOr<ItemPage> Store::InputItems(StoreScope scope, const std::string& id, const PageRequest& page) {
  const std::lock_guard lock(mutex_);
  ItemPage result;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    Query query(*database_, "SELECT given FROM responses WHERE scope = ?1 AND id = ?2 AND used >= ?3",
                static_cast<int64_t>(scope), std::string_view(id), EarliestUse());
    BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) return absl::NotFoundError("there is no such response");
    BATUCADA_ASSIGN_OR_RETURN(result, items_->Page(query.Int(0), page));
    return absl::OkStatus();
  }));
  return result;
}

absl::StatusOr<History> Store::HistoryOfResponse(StoreScope scope, const std::string& id) {
  const std::lock_guard lock(mutex_);
  History history;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    Query query(*database_, "SELECT made, state FROM responses WHERE scope = ?1 AND id = ?2 AND used >= ?3",
                static_cast<int64_t>(scope), std::string_view(id), EarliestUse());
    BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) return absl::NotFoundError("there is no such response");
    if (static_cast<ResponseState>(query.Int(1)) != ResponseState::kEnded) {
      return absl::FailedPreconditionError("it has not ended, or has failed");
    }
    BATUCADA_ASSIGN_OR_RETURN(history, items_->HistoryOf(query.Int(0)));
    return absl::OkStatus();
  }));
  return history;
}

absl::StatusOr<std::vector<StoredItem>> Store::ReadHistory(const History& history) {
  const std::lock_guard lock(mutex_);
  std::vector<StoredItem> items;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(items, items_->Between(0, history.last));
    return absl::OkStatus();
  }));
  return items;
}

absl::StatusOr<StoredItem> Store::FindItem(StoreScope scope, const std::string& id) {
  const std::lock_guard lock(mutex_);
  StoredItem item;
  BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(item, items_->FindAnywhere(scope, id));
    return absl::OkStatus();
  }));
  return item;
}

}  // namespace batucada
