// Reads an untrusted JSON document: every step knows its path, and the first thing found wrong becomes one sentence
// such as "tokenizer.json: $.model.merges[17]: expected a string, found a number".
//
// A cursor points at a value or at the place where an optional one is absent. Readers return a harmless default after
// an error and the shared error is looked at once, at the end, so that parsing code reads as a plain description of the
// format. Cursors borrow the document; not thread-safe.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace batucada {

struct JsonLimits {
  size_t max_bytes = 0;
  size_t max_depth = 32;
};

// INVALID_ARGUMENT, beginning with `name`, for text that is too large, too deep or not JSON.
[[nodiscard]] absl::StatusOr<boost::json::value> ParseJson(std::string_view text, std::string_view name,
                                                           const JsonLimits& limits);

class JsonCursor {
 public:
  // Errors go to `error`, the first one only. `name` is the document's. REQUIRES: all outlive the cursor.
  JsonCursor(const boost::json::value& root, std::string_view name, absl::Status* error)
      : value_(&root), path_(std::string(name) + ": $"), error_(error) {}

  // Absent, or null.
  bool absent() const { return value_ == nullptr || value_->is_null(); }
  bool is_string() const { return value_ != nullptr && value_->is_string(); }
  bool is_array() const { return value_ != nullptr && value_->is_array(); }

  // The member `key` of an object, absent if it has none.
  JsonCursor operator[](std::string_view key) const;
  // The members of an object and the elements of an array, as cursors; empty for an absent one.
  std::vector<std::pair<std::string_view, JsonCursor>> Members() const;
  std::vector<JsonCursor> Elements() const;
  // The same without paths, for the two large tables of a tokenizer. Null if absent or of another type, which is an
  // error.
  const boost::json::object* AsObject() const;
  const boost::json::array* AsArray() const;

  // A required value, and an optional one with its default.
  std::string_view String() const;
  std::string_view String(std::string_view fallback) const { return absent() ? fallback : String(); }
  bool Bool() const;
  bool Bool(bool fallback) const { return absent() ? fallback : Bool(); }
  int64_t Int(int64_t min, int64_t max) const;
  double Number() const;
  // A string of exactly one character.
  char32_t Character() const;

  // Fail: the file is wrong here. Unsupported: it is right, but asks for what this engine does not do.
  void Fail(std::string_view what) const;
  void Unsupported(std::string_view what) const;

  bool ok() const { return error_->ok(); }
  absl::Status status() const { return *error_; }

 private:
  JsonCursor(const boost::json::value* value, std::string path, absl::Status* error)
      : value_(value), path_(std::move(path)), error_(error) {}

  void FailType(std::string_view expected) const;

  const boost::json::value* value_;
  std::string path_;
  absl::Status* error_;
};

// A string from outside, safe to print in an error: shortened, control characters escaped.
std::string Quoted(std::string_view text);

}  // namespace batucada
