// Responses and conversations that outlive their requests, in one SQLite database: in a file of a directory, or in
// memory.
//
// Durability: a record is there for every reader, and survives the process (kill -9), once its write returns; a machine
// that loses power may lose the last ones, never others (WAL with synchronous=NORMAL). Records of which nobody has
// written, or gone on from, for so long are deleted. When there is no room for a new one, whoever has most loses the
// least recently used of what is theirs: no owner can push out what smaller ones have. Every text carries a checksum:
// what does not match is not there. A file that is no sound database is moved aside with a line in the log, and a fresh
// one begun.
//
// Errors: NOT_FOUND; RESOURCE_EXHAUSTED for a record that is too large; UNAVAILABLE if the disk is full or fails: then
// nothing of the record is kept, and what was there stays.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/store/fair_mutex.h"
#include "server/store/item_memory.h"
#include "server/store/item_tree.h"
#include "server/store/records.h"
#include "server/store/sqlite.h"
#include "server/store/store_file.h"
#include "server/store/store_stats.h"

namespace batucada {

struct StoreOptions {
  std::string directory;  // made if it is not there; empty: in memory
  absl::Duration lifetime = absl::Hours(24 * 30);
  int64_t max_bytes = 64 << 20;  // of the database; a record may have a quarter of them
  // Of an item's JSON: what KnownItem::cost says, for those who go on with it. Called by any thread.
  std::function<int64_t(std::string_view json)> cost = [](std::string_view) { return 0; };
  // Microseconds since 1970; a test's own clock.
  std::function<int64_t()> now = [] { return absl::GetCurrentTimeNanos() / 1000; };
};

// Thread-safe, and meant for threads that may wait: for the disk, and for each other. What is long is done by steps of
// some milliseconds, between which others have their turn.
class Store {
 public:
  // FAILED_PRECONDITION, in a sentence for the operator, if another process has the directory, or its file is another
  // program's or a newer version's; UNAVAILABLE if it cannot be written.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Store>> Open(StoreOptions options);
  // Empty and in memory. Where even that fails, the process ends.
  static std::unique_ptr<Store> InMemory();

  // --- responses ---
  // In place of one with the same id. NOT_FOUND if what it goes on from has been deleted meanwhile.
  [[nodiscard]] absl::Status PutResponse(StoreScope scope, const StoredResponse& response);
  [[nodiscard]] absl::StatusOr<ReadResponse> GetResponse(StoreScope scope, const std::string& id);
  [[nodiscard]] absl::Status DeleteResponse(StoreScope scope, const std::string& id);
  // What it was given: everything before its output, from the beginning.
  [[nodiscard]] absl::StatusOr<ItemPage> InputItems(StoreScope scope, const std::string& id, const PageRequest& page);
  // Up to and with its output, for another to go on from. FAILED_PRECONDITION if its state is not kEnded.
  [[nodiscard]] absl::StatusOr<History> HistoryOfResponse(StoreScope scope, const std::string& id);

  // --- conversations ---
  [[nodiscard]] absl::Status CreateConversation(StoreScope scope, const StoredConversation& conversation,
                                                const std::vector<StoredItem>& items);
  [[nodiscard]] absl::StatusOr<StoredConversation> GetConversation(StoreScope scope, const std::string& id);
  // The latest used `most`, the last first.
  [[nodiscard]] absl::StatusOr<std::vector<ConversationUse>> ListConversations(StoreScope scope, int64_t most);
  [[nodiscard]] absl::Status UpdateConversation(StoreScope scope, const std::string& id, const std::string& metadata);
  // Its items stay for the responses that were given them.
  [[nodiscard]] absl::Status DeleteConversation(StoreScope scope, const std::string& id);
  [[nodiscard]] absl::Status AppendItems(StoreScope scope, const std::string& conversation,
                                         const std::vector<StoredItem>& items);
  [[nodiscard]] absl::StatusOr<ItemPage> ConversationItems(StoreScope scope, const std::string& id,
                                                           const PageRequest& page);
  [[nodiscard]] absl::StatusOr<StoredItem> ConversationItem(StoreScope scope, const std::string& conversation,
                                                            const std::string& item);
  // The latest of that id. What follows it is written again; BehindItem says how much that is.
  [[nodiscard]] absl::Status DeleteConversationItem(StoreScope scope, const std::string& conversation,
                                                    const std::string& item);
  [[nodiscard]] absl::StatusOr<History> BehindItem(StoreScope scope, const std::string& conversation,
                                                   const std::string& item);
  [[nodiscard]] absl::StatusOr<History> HistoryOfConversation(StoreScope scope, const std::string& id);

  // --- items ---
  // All of a history in order. NOT_FOUND if it has been deleted meanwhile.
  [[nodiscard]] absl::StatusOr<std::vector<std::shared_ptr<const KnownItem>>> ReadHistory(const History& history);
  // The latest of that id, wherever it stands.
  [[nodiscard]] absl::StatusOr<StoredItem> FindItem(StoreScope scope, const std::string& id);

  // Deletes some of what has lived its time, and of what deletions have left; true if there may be more.
  bool Sweep();
  // Whether deletions have left something, which Sweep should not be late for; never waits.
  bool has_leftovers() const { return leftovers_; }
  StoreStats Stats() const;  // never waits

 private:
  class Branch;  // branch.h
  struct Load {
    int64_t bytes = 0;  // of text that is written
    int64_t rows = 0;
  };
  struct Record {
    StoreScope scope = 0;
    std::string id;
    bool is_response = false;
  };
  // What follows an item of a conversation.
  struct Tail {
    ItemNode before = 0, end = 0;  // the item before it, and the conversation's last
    std::vector<ItemNode> nodes;   // behind it, in order
    History history;               // of these
  };

  explicit Store(StoreOptions options) : options_(std::move(options)) {}

  absl::Status CheckSize(int64_t bytes) const;  // of one record
  // Both take mutex_. Write runs `body`, which writes `load`, as one transaction, after what must go for it.
  absl::Status Write(const Load& load, const std::function<absl::Status()>& body);
  absl::Status MakeRoomFor(const Load& load);

  // REQUIRES of all that follow: mutex_ held.
  absl::Status OpenDatabase();
  // Opens it where it is not. UNAVAILABLE where another file, or none, has its name now: what is written to one that
  // was deleted goes with the process.
  absl::Status SeeToFile();
  absl::Status Transact(const std::function<absl::Status()>& body);
  absl::Status Read(const std::function<absl::Status()>& body);
  // Of a file that turned out to be unsound: another takes its place.
  void BeginAnew(const absl::Status& reason);
  void Note(const absl::Status& failure);  // in the log, when the kind of failure is new
  absl::Status MakeRoom();
  // A step towards `most` bytes. Whether it freed anything.
  absl::StatusOr<bool> FreeSome(int64_t most);
  // The least recently used record of whoever has most, and has one that is older than this transaction.
  absl::StatusOr<bool> Evict();
  absl::Status Remove(const Record& record);
  // Whichever of all was used first, if that was before `before`; else false.
  absl::StatusOr<bool> DeleteOldest(int64_t before);
  int64_t EarliestUse() const;  // that is within the lifetime
  absl::Status Publish();
  absl::StatusOr<int64_t> UsedBytes();

  absl::Status RemoveResponse(StoreScope scope, const std::string& id);
  // `given`: behind which `rest` of its input is written. Where it ends.
  absl::StatusOr<ItemNode> InsertResponse(StoreScope scope, const StoredResponse& response, ItemNode given,
                                          std::span<const StoredItem> rest);
  absl::StatusOr<Tail> TailBehind(StoreScope scope, const std::string& conversation, const std::string& item);
  absl::Status RemoveConversation(StoreScope scope, const std::string& id);
  absl::StatusOr<ItemNode> ConversationEnd(StoreScope scope, const std::string& id);
  // To `last` instead of what was its end.
  absl::Status MoveConversation(StoreScope scope, const std::string& id, ItemNode last);

  const StoreOptions options_;
  ItemMemory known_;
  FairMutex mutex_;  // guards what follows
  std::unique_ptr<Database> database_;
  std::optional<StoreFileId> opened_;
  std::unique_ptr<ItemTree> items_;
  int64_t tick_ = 0;      // of the latest use
  uint64_t deleted_ = 0;  // by the transaction that runs
  absl::StatusCode failing_ = absl::StatusCode::kOk;

  std::atomic<int64_t> responses_{0}, conversations_{0}, item_count_{0}, bytes_{0};
  std::atomic<uint64_t> evicted_{0}, expired_{0}, failures_{0};
  std::atomic<bool> leftovers_{false};
};

}  // namespace batucada
