#include "server/store/store_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kApplication = 0x42545543;  // "BTUC"
constexpr int64_t kVersion = 2;
constexpr int64_t kPageBytes = 4096;
// Files up to this are read through before they are used; what is wrong in larger ones is found when it is met.
constexpr int64_t kMostChecked = int64_t{1} << 30;

constexpr char kSchema[] = R"sql(
CREATE TABLE items(
  node INTEGER PRIMARY KEY AUTOINCREMENT,
  scope INTEGER NOT NULL,
  parent INTEGER NOT NULL,    -- the item before it; 0: none
  held INTEGER NOT NULL,      -- by so many items, responses and conversations
  count INTEGER NOT NULL,     -- items up to this one
  bytes INTEGER NOT NULL,     -- of their JSON
  checksum INTEGER NOT NULL,
  id TEXT NOT NULL,
  json TEXT NOT NULL) STRICT;
CREATE INDEX items_by_id ON items(scope, id);
CREATE TABLE responses(
  number INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL,
  id TEXT NOT NULL,
  used INTEGER NOT NULL,      -- microseconds since 1970
  given INTEGER NOT NULL,     -- its last input item
  made INTEGER NOT NULL,      -- its last output item
  state INTEGER NOT NULL,     -- ResponseState
  checksum INTEGER NOT NULL,
  json TEXT NOT NULL,
  UNIQUE(scope, id)) STRICT;
CREATE INDEX responses_by_use ON responses(used);
CREATE TABLE conversations(
  number INTEGER PRIMARY KEY,
  scope INTEGER NOT NULL,
  id TEXT NOT NULL,
  used INTEGER NOT NULL,
  created INTEGER NOT NULL,   -- seconds since 1970
  last INTEGER NOT NULL,      -- its last item
  checksum INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  UNIQUE(scope, id)) STRICT;
CREATE INDEX conversations_by_use ON conversations(used);
CREATE TABLE counts(items INTEGER NOT NULL, responses INTEGER NOT NULL, conversations INTEGER NOT NULL) STRICT;
INSERT INTO counts VALUES(0, 0, 0);
)sql";

// What version 2 has besides: who has how much, whose turn it is to make room, and what waits to be released.
constexpr char kSecondSchema[] = R"sql(
CREATE TABLE shares(scope INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;
CREATE INDEX responses_by_owner ON responses(scope, used);
CREATE INDEX conversations_by_owner ON conversations(scope, used);
CREATE TABLE loose(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  node INTEGER NOT NULL) STRICT;  -- held once by this row
)sql";

struct Kept {
  const char *table, *text;  // the table, and its columns of text
};
constexpr Kept kKept[] = {{"items", "json"}, {"responses", "json"}, {"conversations", "metadata"}};
constexpr int64_t kSharedRowBytes = 128;  // of a row beside its texts, with what indices have of it

// Of a row of `kept`, for those who share the room.
std::string SqlBytes(const char* row, const Kept& kept) {
  return absl::StrCat(kSharedRowBytes, " + length(CAST(", row, "id AS BLOB)) + length(CAST(", row, kept.text,
                      " AS BLOB))");
}

// Counts and sums are kept by triggers: counting rows takes time in proportion to them.
std::string Triggers() {
  std::string triggers;
  for (const Kept& kept : kKept) {
    const char* table = kept.table;
    absl::StrAppend(&triggers, "CREATE TRIGGER more_", table, " AFTER INSERT ON ", table, " BEGIN UPDATE counts SET ",
                    table, " = ", table, " + 1; INSERT INTO shares VALUES(new.scope, ", SqlBytes("new.", kept),
                    ") ON CONFLICT(scope) DO UPDATE SET bytes = bytes + excluded.bytes; END;\n");
    absl::StrAppend(&triggers, "CREATE TRIGGER fewer_", table, " AFTER DELETE ON ", table, " BEGIN UPDATE counts SET ",
                    table, " = ", table, " - 1; UPDATE shares SET bytes = bytes - (", SqlBytes("old.", kept),
                    ") WHERE scope = old.scope; END;\n");
  }
  return triggers;
}

std::string Schema() { return absl::StrCat(kSchema, kSecondSchema, Triggers()); }

// From version 1, whose triggers knew no shares.
std::string Upgrade() {
  std::string steps(kSecondSchema);
  for (const Kept& kept : kKept) {
    absl::StrAppend(&steps, "DROP TRIGGER IF EXISTS more_", kept.table, "; DROP TRIGGER IF EXISTS fewer_", kept.table,
                    "; INSERT INTO shares SELECT scope, sum(", SqlBytes("", kept), ") FROM ", kept.table,
                    " WHERE true GROUP BY scope ON CONFLICT(scope) DO UPDATE SET bytes = bytes + excluded.bytes;\n");
  }
  return steps + Triggers();
}

fs::path FileIn(const std::string& directory) { return fs::path(directory) / "store.db"; }

fs::path ReserveIn(const std::string& directory) { return fs::path(directory) / "store.db-reserve"; }

absl::Status MakeFile(const std::string& directory) {
  std::error_code failed;
  fs::create_directories(directory, failed);
  if (failed) return absl::UnavailableError(absl::StrCat("cannot make ", directory, ": ", failed.message()));
  // SQLite gives its other files the rights of this one.
  const int file = open(FileIn(directory).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot write ", FileIn(directory).string(), ": ", std::strerror(errno)));
  }
  close(file);
  return absl::OkStatus();
}

// The schema's version that is there already; 0: none.
absl::StatusOr<int64_t> SchemaOf(Database& database, const std::string& directory) {
  BATUCADA_ASSIGN_OR_RETURN(const int64_t application, database.Number("PRAGMA application_id"));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t version, database.Number("PRAGMA user_version"));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t tables, database.Number("SELECT count(*) FROM sqlite_schema"));
  if (application == 0 && tables == 0) return 0;
  if (application != kApplication) {
    return absl::FailedPreconditionError(
        absl::StrCat(FileIn(directory).string(), " is another program's database: give another directory"));
  }
  if (version < 1 || version > kVersion) {
    return absl::FailedPreconditionError(absl::StrCat(FileIn(directory).string(),
                                                      " was written by another version of this "
                                                      "program (its schema is ",
                                                      version, ", not ", kVersion,
                                                      "): use that version, or delete the file"));
  }
  return version;
}

// Tables, indices and triggers as they were made: one that is damaged may still be SQL, and do something else.
absl::Status CheckSchema(Database& database) {
  constexpr char kAll[] = "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema ORDER BY name)";
  BATUCADA_ASSIGN_OR_RETURN(const std::unique_ptr<Database> sound, Database::Open(":memory:"));
  BATUCADA_RETURN_IF_ERROR(sound->Run(Schema()));
  BATUCADA_ASSIGN_OR_RETURN(const std::string expected, sound->Text(kAll));
  BATUCADA_ASSIGN_OR_RETURN(const std::string found, database.Text(kAll));
  return found == expected ? absl::OkStatus() : absl::DataLossError("its schema is not what it was made with");
}

absl::Status SetUp(Database& database, const std::string& directory, int64_t max_bytes) {
  // Kept until the database is closed, so that no other process can come between; and the log's index needs no shared
  // memory, which network file systems do not have.
  BATUCADA_RETURN_IF_ERROR(database.Run("PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 4096"));
  const absl::Status locked = database.Run("PRAGMA journal_mode = WAL; BEGIN EXCLUSIVE; COMMIT");
  if (absl::IsUnavailable(locked) && locked.message().find("locked") != absl::string_view::npos) {
    return absl::FailedPreconditionError(
        absl::StrCat(FileIn(directory).string(), " is in use by another process: give each its own directory"));
  }
  BATUCADA_RETURN_IF_ERROR(locked);
  // What is deleted is overwritten.
  BATUCADA_RETURN_IF_ERROR(
      database.Run(absl::StrCat("PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; "
                                "PRAGMA journal_size_limit = 4194304; PRAGMA max_page_count = ",
                                (max_bytes + max_bytes / 2) / kPageBytes + 16)));
  BATUCADA_ASSIGN_OR_RETURN(const int64_t version, SchemaOf(database, directory));
  if (version == 0) {
    return database.Run(absl::StrCat("BEGIN IMMEDIATE; ", Schema(), "PRAGMA application_id = ", kApplication,
                                     "; PRAGMA user_version = ", kVersion, "; COMMIT"));
  }
  BATUCADA_ASSIGN_OR_RETURN(const int64_t pages, database.Number("PRAGMA page_count"));
  if (pages * kPageBytes <= kMostChecked) {
    BATUCADA_ASSIGN_OR_RETURN(const std::string found, database.Text("PRAGMA quick_check(1)"));
    if (found != "ok") return absl::DataLossError(found);
  }
  if (version < kVersion) {
    BATUCADA_RETURN_IF_ERROR(
        database.Run(absl::StrCat("BEGIN IMMEDIATE; ", Upgrade(), "PRAGMA user_version = ", kVersion, "; COMMIT")));
  }
  return CheckSchema(database);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenStoreFile(const std::string& directory, int64_t max_bytes) {
  if (!directory.empty()) BATUCADA_RETURN_IF_ERROR(MakeFile(directory));
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                            Database::Open(directory.empty() ? ":memory:" : FileIn(directory).string()));
  BATUCADA_RETURN_IF_ERROR(SetUp(*database, directory, max_bytes));
  KeepReserve(directory, max_bytes);
  return database;
}

std::optional<StoreFileId> FindStoreFile(const std::string& directory) {
  struct stat file = {};
  if (directory.empty()) return StoreFileId{};
  if (stat(FileIn(directory).c_str(), &file) == 0) return StoreFileId{.device = file.st_dev, .number = file.st_ino};
  return errno == ENOENT || errno == ENOTDIR ? std::optional(StoreFileId{}) : std::nullopt;
}

absl::StatusOr<std::string> SetStoreFileAside(const std::string& directory) {
  constexpr const char* kParts[] = {"", "-wal", "-shm", "-journal"};
  const std::string file = FileIn(directory).string();
  const auto taken = [&](const std::string& name) {
    return std::any_of(std::begin(kParts), std::end(kParts), [&](const char* part) {
      std::error_code ignored;
      return fs::exists(absl::StrCat(name, part), ignored);
    });
  };
  std::string aside = absl::StrCat(file, ".corrupt");
  for (int i = 2; i <= kMostAside && taken(aside); ++i) aside = absl::StrCat(file, ".corrupt.", i);
  for (const char* part : kParts) {
    std::error_code failed;
    const std::string from = absl::StrCat(file, part), to = absl::StrCat(aside, part);
    fs::remove(to, failed);
    if (!fs::exists(from, failed)) continue;
    fs::rename(from, to, failed);
    if (failed) return absl::UnavailableError(absl::StrCat("cannot move ", from, ": ", failed.message()));
  }
  return fs::path(aside).filename().string();
}

void KeepReserve(const std::string& directory, int64_t max_bytes) {
  if (directory.empty()) return;
  constexpr int64_t kMostBytes = 4 << 20;  // as many as SQLite lets its log have
  const int64_t bytes = std::min(kMostBytes, max_bytes / 16);
  const std::string file = ReserveIn(directory).string();
  const int opened = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (opened < 0) return;
  struct stat there = {};
  const bool whole = fstat(opened, &there) == 0 && there.st_size == bytes;
  const bool kept = whole || (ftruncate(opened, 0) == 0 && posix_fallocate(opened, 0, bytes) == 0);
  close(opened);
  if (!kept) unlink(file.c_str());
}

bool SpendReserve(const std::string& directory) {
  return !directory.empty() && unlink(ReserveIn(directory).c_str()) == 0;
}

}  // namespace batucada
