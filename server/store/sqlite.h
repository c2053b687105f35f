// SQLite with owners and statuses. Nothing here knows what is stored.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace batucada {

// A connection with its prepared statements. Used by one thread at a time.
//
// Errors: DATA_LOSS if the file is no sound database or has not the tables that a statement speaks of, UNAVAILABLE if
// it cannot be read or written (disk full among them) or another process has it, INTERNAL for the rest; each says what
// SQLite says.
class Database {
 public:
  // ":memory:" has no file.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Statements that have no results, or whose results do not matter.
  [[nodiscard]] absl::Status Run(const std::string& statements);
  // The first column of the first row, which there must be.
  [[nodiscard]] absl::StatusOr<int64_t> Number(std::string_view statement);
  [[nodiscard]] absl::StatusOr<std::string> Text(std::string_view statement);

 private:
  friend class Query;
  Database() = default;
  absl::Status Error(std::string_view doing) const;
  absl::StatusOr<sqlite3_stmt*> Prepared(std::string_view statement);

  sqlite3* handle_ = nullptr;
  absl::flat_hash_map<std::string, sqlite3_stmt*> prepared_;
};

// One run of a statement, which is prepared once for each text. Of equal texts one query at a time.
class Query {
 public:
  // `values`, integers and texts, stand for ?1, ?2, … and outlive this.
  template <typename... Values>
  Query(Database& database, std::string_view statement, const Values&... values) : Query(&database, statement) {
    int index = 0;
    (Bind(++index, values), ...);
  }
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // Whether there is another row.
  [[nodiscard]] absl::StatusOr<bool> Next();
  // To the end, past all rows.
  [[nodiscard]] absl::Status Finish();

  // Of the row; texts live until the next.
  int64_t Int(int column) const;
  std::string_view Text(int column) const;

 private:
  Query(Database* database, std::string_view statement);
  void Bind(int index, int64_t value);
  void Bind(int index, std::string_view value);

  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
  absl::Status status_;  // of preparing and binding
};

}  // namespace batucada
