// The members of a JSON request body, each told once: its name, its schema and how it is read. Requests are parsed by
// the table and the API's description is made of it, so that the two cannot disagree.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/utility/utility.h"
#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"
#include "server/common/asked_model.h"
#include "server/json/json_schema.h"
#include "server/json/request_reader.h"

namespace batucada {

// The body as a JSON object, or INVALID_ARGUMENT with the code invalid_json.
absl::StatusOr<boost::json::object> ParseBody(std::string_view body, ListsApart* apart = nullptr);

// Constant once it is built; then thread-safe.
template <typename Params>
class ParameterTable {
 public:
  using Read = std::function<void(RequestReader&, Params&)>;
  enum class Presence : uint8_t { kOptional, kRequired };  // in the description; `read` holds clients to it

  // A member that RequestReader::Read can put into `field`.
  template <typename Owner, typename Field>
  void Add(std::string name, boost::json::object schema, Field Owner::*field) {
    auto read = [name, field](RequestReader& reader, Params& params) { reader.Read(name, &(params.*field)); };
    AddReadPresent(std::move(name), std::move(schema), std::move(read));
  }
  // The same, of one that other clients call `common`: where the parameters tell names, errors that are found later
  // have the client's.
  template <typename Owner, typename Field>
  void AddNamed(std::string name, std::string_view common, boost::json::object schema, Field Owner::*field) {
    auto read = [name, common = std::string(common), field](RequestReader& reader, Params& params) {
      reader.Read(name, &(params.*field));
      params.names.Call(common, reader.FullName(name));
    };
    AddReadPresent(std::move(name), std::move(schema), std::move(read));
  }
  // A member that is read in a way of its own, which is asked of every request.
  void AddRead(std::string name, boost::json::object schema, Read read, Presence presence = Presence::kOptional) {
    always_.push_back(static_cast<uint32_t>(entries_.size()));
    AddEntry({std::move(name), std::move(schema), std::move(read), presence});
  }
  // The same of a reader that does nothing while the member is absent, and is not asked then.
  void AddReadPresent(std::string name, boost::json::object schema, Read read) {
    AddEntry({std::move(name), std::move(schema), std::move(read)});
  }
  // A member that another's reader reads, too: it is asked where either is there. REQUIRES: the table has `reader`.
  void AddBeside(std::string name, boost::json::object schema, std::string_view reader) {
    const auto other = by_name_.find(reader);
    BATUCADA_CHECK(other != by_name_.end(), "no reader ", std::string(reader));
    AddEntry({std::move(name), std::move(schema), nullptr}, other->second);
  }
  // A member that other servers know and this one does not act on: refused unless it has one of the values that change
  // nothing, or is absent or null.
  void AddRefused(std::string name, std::vector<boost::json::value> harmless = {}, std::string_view description = {}) {
    boost::json::object schema;
    schema["description"] = boost::json::string_view(description.data(), description.size());
    boost::json::array values(harmless.begin(), harmless.end());
    values.emplace_back(nullptr);
    schema["enum"] = std::move(values);
    auto read = [name, harmless = std::move(harmless)](RequestReader& reader, Params&) {
      reader.Refuse(name, harmless);
    };
    AddReadPresent(std::move(name), std::move(schema), std::move(read));
  }
  // A member of whatever value: no answer depends on it, and `description` says why.
  void AddAny(std::string name, std::string_view description) {
    boost::json::object schema;
    schema["description"] = boost::json::string_view(description.data(), description.size());
    AddReadPresent(name, std::move(schema), [name](RequestReader& reader, Params&) { reader.Take(name); });
  }
  // The same of a text.
  void AddIgnored(std::string name, std::string_view description) {
    AddReadPresent(name, StringSchema(description), [name](RequestReader& reader, Params&) {
      std::string unused;
      reader.Read(name, &unused);
    });
  }

  // Of a member whose reader asks RequestReader::TakeIds first: Parse reads long lists of it apart.
  void ReadApart(std::string name) { apart_.push_back(std::move(name)); }

  bool Has(std::string_view name) const { return by_name_.contains(name); }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const Entry& entry : entries_) names.push_back(entry.name);
    return names;
  }

  // INVALID_ARGUMENT names the parameter: a wrong type, one that is refused, or an unknown member, unless `unknown`
  // says that such are ignored.
  absl::StatusOr<Params> Parse(std::string_view body, UnknownMembers* unknown = nullptr) const {
    ListsApart apart{.names = apart_, .lists = {}};
    BATUCADA_ASSIGN_OR_RETURN(const boost::json::object object, ParseBody(body, &apart));
    return ReadObject(object, Typing::kStrict, unknown, &apart);
  }
  // The same of members that are there already.
  absl::StatusOr<Params> ReadObject(const boost::json::object& object, Typing typing, UnknownMembers* unknown = nullptr,
                                    ListsApart* apart = nullptr) const {
    RequestReader reader(object, "", typing, unknown);
    reader.SetApart(apart);
    absl::StatusOr<Params> params(absl::in_place);
    ReadMembers(reader, *params);
    if (const absl::Status status = reader.Finish(); !status.ok()) {
      const boost::json::value* const model = object.if_contains("model");
      const boost::json::string* const name = model == nullptr ? nullptr : model->if_string();
      params = name == nullptr ? status : WithAskedModel(status, {name->data(), name->size()});
    }
    return params;
  }
  // The members alone, of an object that may hold others. In the table's order, so that of several errors it is the
  // same one that is told; of the hundreds of names that other servers know, only those that are there cost anything.
  void ReadMembers(RequestReader& reader, Params& params) const {
    absl::InlinedVector<uint32_t, 32> asked(always_.begin(), always_.end());
    for (const auto& member : reader.object()) {
      const std::string_view name(member.key().data(), member.key().size());
      const auto known = by_name_.find(name);
      if (known == by_name_.end()) continue;
      asked.push_back(known->second);
      // What is wrong with an inner member may be found only when its place is forgotten.
      if constexpr (requires { params.names.Call(name, std::string()); }) {
        if (reader.is_inner()) params.names.Call(name, reader.FullName(name));
      }
    }
    std::sort(asked.begin(), asked.end());
    const auto end = std::unique(asked.begin(), asked.end());
    for (auto entry = asked.begin(); entry != end; ++entry) entries_[*entry].read(reader, params);
  }

  // JSON Schema of the body. Every optional member may be null.
  boost::json::object Schema(UnknownMembers::Policy policy = UnknownMembers::Policy::kRefuse) const {
    boost::json::object properties;
    boost::json::array required;
    for (const Entry& entry : entries_) {
      const bool must = entry.presence == Presence::kRequired;
      properties[entry.name] = must ? entry.schema : Nullable(entry.schema);
      if (must) required.emplace_back(entry.name);
    }
    boost::json::object schema = ObjectSchema("", std::move(properties));
    if (policy == UnknownMembers::Policy::kRefuse) schema["additionalProperties"] = false;
    if (!required.empty()) schema["required"] = std::move(required);
    return schema;
  }

 private:
  struct Entry {
    std::string name;
    boost::json::object schema;
    Read read;
    Presence presence = Presence::kOptional;
  };
  // `read_by`: the entry whose reader reads it; -1: its own.
  void AddEntry(Entry entry, int64_t read_by = -1) {
    const auto self = static_cast<uint32_t>(entries_.size());
    const bool fresh = by_name_.emplace(entry.name, read_by < 0 ? self : static_cast<uint32_t>(read_by)).second;
    BATUCADA_CHECK(fresh, entry.name, " is in a table twice");
    entries_.push_back(std::move(entry));
  }

  std::vector<Entry> entries_;
  std::vector<uint32_t> always_;  // of entries_
  std::vector<std::string> apart_;
  StringMap<uint32_t> by_name_;  // the entry whose reader reads a member
};

}  // namespace batucada
