// Reads the members of a JSON request, typed and strict: a wrong type, a number out of range or a member that nobody
// asked for is an error that names it. null counts as absent, as clients send it for their defaults.
// 16.0 is an integer, as JSON Schema has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "base/json.h"
#include "server/json/unknown_members.h"

namespace batucada {

enum class Typing : uint8_t {
  kStrict,
  kLenient,  // as Triton's clients write: "0.1" is a number too, "true" or "True" a boolean, and 7 a list of one
};

// The value as that type, or nothing if it is of another.
std::optional<int64_t> AsInteger(const boost::json::value& value, Typing typing = Typing::kStrict);
std::optional<double> AsNumber(const boost::json::value& value, Typing typing = Typing::kStrict);
std::optional<bool> AsBoolean(const boost::json::value& value, Typing typing = Typing::kStrict);

// Keeps the first error; after it every call leaves its argument alone. Views the object.
class RequestReader {
 public:
  // `path` leads the names in errors: "" for the request itself, "stream_options." inside that member. `unknown`, which
  // outlives this, says what becomes of members that nobody asks for; without it they are refused.
  RequestReader(const boost::json::object& object, std::string path, Typing typing = Typing::kStrict,
                UnknownMembers* unknown = nullptr);
  // Of an object inside `parent`'s, by the same rules.
  RequestReader(const boost::json::object& object, std::string path, const RequestReader& parent)
      : RequestReader(object, std::move(path), parent.typing_, parent.unknown_) {}

  const boost::json::object& object() const { return object_; }

  // The member, or null if it is absent or null. Counts as read.
  const boost::json::value* Take(std::string_view name);
  // The ids of a member that was read apart from the object, or nothing if it was not. Counts as read.
  std::optional<std::vector<int32_t>> TakeIds(std::string_view name);
  // REQUIRES: `apart` outlives this.
  void SetApart(ListsApart* apart) { apart_ = apart; }

  void Read(std::string_view name, std::optional<int64_t>* out);
  void Read(std::string_view name, std::optional<double>* out);  // whole numbers too
  void Read(std::string_view name, bool* out);
  void Read(std::string_view name, std::optional<bool>* out);
  void Read(std::string_view name, std::string* out);
  void Read(std::string_view name, std::vector<int64_t>* out);
  void Read(std::string_view name, std::optional<std::vector<int64_t>>* out);
  void Read(std::string_view name, std::vector<std::string>* out);
  // A string, or a list of strings, as `stop` is.
  void ReadOneOrMore(std::string_view name, std::vector<std::string>* out);

  // A member that this server does not act on: an error, which tells its value, unless it is absent, null or says what
  // happens anyway.
  void Refuse(std::string_view name, const std::vector<boost::json::value>& harmless);

  void Fail(std::string_view name, std::string_view problem, std::string_view code = "invalid_type");
  // What a reader of something inside the request found.
  void Fail(absl::Status status);
  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }
  Typing typing() const { return typing_; }
  bool is_inner() const { return !path_.empty(); }
  // As errors name it: "options.seed".
  std::string FullName(std::string_view name) const { return path_ + std::string(name); }
  // The first error; without one, an error if a member that is not null was never read and is not to be ignored.
  absl::Status Finish();

 private:
  const boost::json::object& object_;
  std::string path_;
  Typing typing_;
  UnknownMembers* unknown_;
  ListsApart* apart_ = nullptr;
  absl::InlinedVector<bool, 32> read_;  // of each member, in the object's order
  absl::Status status_;
};

// "a string", "the number 3", … for messages.
std::string DescribeJson(const boost::json::value& value);

}  // namespace batucada
