#include "server/store/store.h"

#include <algorithm>
#include <string_view>

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "base/nested_json.h"
#include "base/status.h"
#include "server/store/store_file.h"

namespace batucada {
namespace {

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
  opened_ = FindStoreFile(options_.directory);
  known_.Clear();
  items_ = std::make_unique<ItemTree>(*database_, known_);
  tick_ = latest;
  return Publish();
}

absl::Status Store::SeeToFile() {
  if (database_ == nullptr) return OpenDatabase();
  const std::optional<StoreFileId> there = FindStoreFile(options_.directory);
  if (!there || !opened_ || there == opened_) return absl::OkStatus();
  ++failures_;
  const absl::Status status = absl::UnavailableError(absl::StrCat(
      "the store's file was taken out of ", options_.directory, ": put it back, or start the server again"));
  Note(status);
  return absl::UnavailableError("the store's file was taken away");
}

void Store::BeginAnew(const absl::Status& reason) {
  items_.reset();
  database_.reset();
  absl::StatusOr<std::string> aside = "";
  if (!options_.directory.empty()) aside = SetStoreFileAside(options_.directory);
  absl::Status opened = aside.ok() ? OpenDatabase() : aside.status();
  // Whoever has found something in the old file has numbers of its items: they do not come again.
  const int64_t now = options_.now();
  if (opened.ok()) {
    opened =
        database_->Run(absl::StrCat("INSERT INTO sqlite_sequence VALUES ('items', ", now, "), ('loose', ", now, ")"));
  }
  if (!opened.ok()) database_.reset();
  spdlog::error("the store in {} is not sound ({}): {}", options_.directory, Printable(MessageOf(reason)),
                opened.ok() ? absl::StrCat("its file is ", *aside, " now, and a fresh one begins")
                            : absl::StrCat("and a fresh one cannot begin: ", MessageOf(opened)));
}

void Store::Note(const absl::Status& failure) {
  if (failure.code() == failing_) return;
  failing_ = failure.code();
  if (!failure.ok()) spdlog::error("the store cannot be written: {}", MessageOf(failure));
}

absl::Status Store::Read(const std::function<absl::Status()>& body) {
  BATUCADA_RETURN_IF_ERROR(SeeToFile());
  const absl::Status status = body();
  if (!absl::IsDataLoss(status)) return status;
  BeginAnew(status);
  return absl::NotFoundError("the store's file was not sound");
}

int64_t Store::EarliestUse() const { return options_.now() - absl::ToInt64Microseconds(options_.lifetime); }

// --- responses
// --------------------------------------------------------------------------------------------------------

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
  return Write({}, [&]() -> absl::Status {
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

absl::StatusOr<std::vector<std::shared_ptr<const KnownItem>>> Store::ReadHistory(const History& history) {
  std::vector<std::shared_ptr<const KnownItem>> items;
  struct Fetched {
    ItemNode node = 0, parent = 0;
    std::string json;
  };
  std::vector<Fetched> step;
  for (ItemNode node = history.last; node != 0;) {
    if (std::ssize(items) >= kMaxHistoryItems) return absl::NotFoundError("the way to its beginning is lost");
    if (std::shared_ptr<const KnownItem> known = known_.Find(node)) {
      node = known->parent;
      items.push_back(std::move(known));
      continue;
    }
    step.clear();
    uint64_t era = 0;
    {
      const std::lock_guard lock(mutex_);
      era = known_.era();
      BATUCADA_RETURN_IF_ERROR(Read([&]() -> absl::Status {
        int64_t bytes = 0;
        for (int64_t i = 0; i < kStepItems && bytes < kStepBytes && node != 0; ++i) {
          BATUCADA_ASSIGN_OR_RETURN(StoredItem item, items_->Get(node));
          bytes += static_cast<int64_t>(item.json.size());
          Fetched& one = step.emplace_back(Fetched{.node = node, .json = std::move(item.json)});
          BATUCADA_ASSIGN_OR_RETURN(node, items_->ParentOf(node));
          one.parent = node;
          if (known_.Find(node) != nullptr) return absl::OkStatus();
        }
        return absl::OkStatus();
      }));
    }
    for (const Fetched& one : step) {  // others have their turn meanwhile
      absl::StatusOr<boost::json::value> value = ParseKeptJson(one.json, "an item");
      if (!value.ok()) return absl::DataLossError("an item is no JSON");
      auto item = std::make_shared<KnownItem>(KnownItem{.parent = one.parent,
                                                        .value = *std::move(value),
                                                        .bytes = static_cast<int64_t>(one.json.size()),
                                                        .cost = options_.cost(one.json)});
      known_.Keep(one.node, item, era);
      items.push_back(std::move(item));
    }
  }
  std::reverse(items.begin(), items.end());
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
