// JSON from outside, read with care: duplicate keys and deep nesting are errors, and every error names the path inside
// the document, what was found and what was expected. Parsing is Boost.JSON's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strings.h"

namespace batucada {

// A name from outside as it may appear in a message: control characters escaped, cut after 160 bytes.
std::string Printable(std::string_view name);

// The whole of a regular file. NOT_FOUND if it is not there; INVALID_ARGUMENT if it is longer than `max_bytes`.
absl::StatusOr<std::string> ReadTextFile(const std::filesystem::path& path, int64_t max_bytes);

// Members of a document's own object that are read apart from it where they are long lists of ids: of a hundred
// thousand numbers a parser makes as many values, which take longer than the numbers. In the document such a list is
// empty.
struct ListsApart {
  std::vector<std::string> names;  // of those that may be
  StringMap<std::vector<int32_t>> lists;
};

// One JSON document. `what` names it in errors ("config.json"). INVALID_ARGUMENT with the byte offset if it is not
// well-formed UTF-8 JSON, nests deeper than 32 levels, or has an object with two equal keys.
absl::StatusOr<boost::json::value> ParseJson(std::string_view text, std::string_view what, ListsApart* apart = nullptr);

struct IntRange {
  int64_t min = 0;
  int64_t max = INT64_MAX;
};

struct NumberRange {
  double min = 0;
  double max = 1;
};

// Reads typed members of one JSON object. The first error of a document is kept where all its readers share it, and
// every getter returns something harmless after it, so that a reader can be read from top to bottom and asked once at
// the end. A member that is null counts as absent. Views the document and the status; owns nothing.
class JsonObject {
 public:
  // `path` leads every error: "config.json: ". REQUIRES: *first_error outlives this.
  JsonObject(const boost::json::value& value, std::string path, absl::Status* first_error);

  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  // Present, if only as null.
  bool Mentions(std::string_view key) const;
  // The member, or nullptr if it is absent or null.
  const boost::json::value* Find(std::string_view key) const;

  int64_t Int(std::string_view key, IntRange range) const;
  int64_t IntOr(std::string_view key, int64_t fallback, IntRange range) const;
  double NumberOr(std::string_view key, double fallback, NumberRange range) const;
  bool BoolOr(std::string_view key, bool fallback) const;
  std::string String(std::string_view key) const;
  std::string StringOr(std::string_view key, std::string_view fallback) const;
  // A list of integers; with `kOneOrMany` a bare integer is a list of one.
  enum class ListForm : uint8_t { kMany, kOneOrMany };
  std::vector<int64_t> Ints(std::string_view key, IntRange range, ListForm form = ListForm::kMany) const;
  JsonObject Object(std::string_view key) const;
  // A list of objects; the path of each says its place.
  std::vector<JsonObject> Objects(std::string_view key) const;

  // Records "<path of key> <problem>" unless there is an error already.
  void Fail(std::string_view key, std::string_view problem) const;
  bool ok() const { return first_error_->ok(); }

 private:
  int64_t CheckedInt(const boost::json::value& value, std::string_view key, IntRange range) const;
  void Expected(std::string_view key, const boost::json::value& found, std::string_view expected) const;

  const boost::json::object* object_;  // nullptr after an error
  std::string path_;
  absl::Status* first_error_;
};

}  // namespace batucada
