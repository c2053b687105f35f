#include "server/store/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace batucada {
namespace {

absl::StatusCode CodeOf(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // Statements do not change: what is wrong with one is wrong with the schema, or with rows that it did not make.
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH: return absl::StatusCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM: return absl::StatusCode::kUnavailable;
    default: return absl::StatusCode::kInternal;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  std::unique_ptr<Database> database(new Database());
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path.c_str(), &database->handle_, kFlags, nullptr) != SQLITE_OK) {
    return database->Error("opening it");
  }
  return database;
}

Database::~Database() {
  for (const auto& [text, statement] : prepared_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

absl::Status Database::Error(std::string_view doing) const {
  const int code = handle_ == nullptr ? SQLITE_NOMEM : sqlite3_extended_errcode(handle_);
  return absl::Status(CodeOf(code), absl::StrCat(absl::string_view(doing.data(), doing.size()), ": ",
                                                 handle_ == nullptr ? "no memory" : sqlite3_errmsg(handle_)));
}

absl::Status Database::Run(const std::string& statements) {
  if (sqlite3_exec(handle_, statements.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return absl::OkStatus();
  return Error(statements.substr(0, statements.find('(')));
}

absl::StatusOr<int64_t> Database::Number(std::string_view statement) {
  Query query(*this, statement);
  BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) return absl::InternalError("a statement has no result");
  return query.Int(0);
}

absl::StatusOr<std::string> Database::Text(std::string_view statement) {
  Query query(*this, statement);
  BATUCADA_ASSIGN_OR_RETURN(const bool found, query.Next());
  if (!found) return absl::InternalError("a statement has no result");
  return std::string(query.Text(0));
}

absl::StatusOr<sqlite3_stmt*> Database::Prepared(std::string_view statement) {
  const auto [entry, added] = prepared_.try_emplace(std::string(statement), nullptr);
  if (!added) return entry->second;
  const int code = sqlite3_prepare_v3(handle_, statement.data(), static_cast<int>(statement.size()),
                                      SQLITE_PREPARE_PERSISTENT, &entry->second, nullptr);
  if (code == SQLITE_OK) return entry->second;
  absl::Status error = Error("preparing a statement");
  prepared_.erase(entry);
  return error;
}

Query::Query(Database* database, std::string_view statement) : database_(*database) {
  absl::StatusOr<sqlite3_stmt*> prepared = database_.Prepared(statement);
  if (prepared.ok()) {
    statement_ = *prepared;
  } else {
    status_ = prepared.status();
  }
}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Query::Bind(int index, int64_t value) {
  if (!status_.ok()) return;
  if (sqlite3_bind_int64(statement_, index, value) != SQLITE_OK) status_ = database_.Error("binding");
}

void Query::Bind(int index, std::string_view value) {
  if (!status_.ok()) return;
  const char* text = value.data() == nullptr ? "" : value.data();
  if (sqlite3_bind_text64(statement_, index, text, value.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK) {
    status_ = database_.Error("binding");
  }
}

absl::StatusOr<bool> Query::Next() {
  if (!status_.ok()) return status_;
  switch (sqlite3_step(statement_)) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: return false;
    default: status_ = database_.Error("reading or writing"); return status_;
  }
}

absl::Status Query::Finish() {
  while (true) {
    BATUCADA_ASSIGN_OR_RETURN(const bool more, Next());
    if (!more) return absl::OkStatus();
  }
}

int64_t Query::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string_view Query::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
  return text == nullptr ? std::string_view() : std::string_view(text, size);
}

}  // namespace batucada
