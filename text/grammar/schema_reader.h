// The second half of reading a schema: flat objects (schema_flatten.h) to expressions, one type at a time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "text/grammar/json_parts.h"
#include "text/grammar/json_schema.h"
#include "text/grammar/schema_flatten.h"
#include "text/grammar/text_classes.h"

namespace batucada::grammar {

// Used once.
class SchemaReader {
 public:
  // All outlive this.
  SchemaReader(const boost::json::value& root, Hold hold, Expressions& expressions, JsonParts& json, WorkBudget& budget)
      : hold_(hold), flattener_(root, budget), e_(expressions), json_(json), budget_(budget) {}

  absl::StatusOr<ExprId> Read(const boost::json::value& schema, const std::string& path, int depth = 0);

 private:
  using Flat = boost::json::object;

  absl::StatusOr<ExprId> ReadWhole(const boost::json::value& schema, const std::string& path, int depth);
  // Of a schema that an answer cannot be held to, what it can.
  absl::StatusOr<ExprId> ReadLess(const boost::json::value& schema, const std::string& path, int depth);
  // Likewise of a flat one of whose other keywords nothing can be kept; any value, if even its types cannot be.
  absl::StatusOr<ExprId> ReadTypesAlone(const Flat& flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadFlat(Flat flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadAlternatives(Flat flat, const char* kind, const std::string& path, int depth);
  // With what holds quietly put in. REQUIRES: it is settled.
  absl::StatusOr<Flat> WithQuiet(Flat flat, const std::string& path);
  // Of an alternative with kNoOtherTypes the types that it speaks of become those that it names.
  static void PinTypes(Flat& flat);
  // Of a oneOf's alternatives, `list`, which are `branches` with what holds beside them.
  absl::StatusOr<ExprId> ReadOneOf(const boost::json::array& list, const std::vector<Flat>& branches,
                                   const std::string& at, int depth);
  // `branch`, the i-th of them, with what must hold so that nothing made for it is valid for one of its rivals.
  absl::StatusOr<Flat> HoldApart(Flat branch, size_t i, const std::vector<size_t>& rivals,
                                 const boost::json::array& list, const std::vector<Flat>& branches,
                                 const std::string& at);
  // By alternative those others that no property's values tell apart from it. Of no use once the budget is spent.
  std::vector<std::vector<size_t>> Rivals(const std::vector<Flat>& branches);
  // `flat`, and not `schema`.
  absl::StatusOr<Flat> Without(Flat flat, const boost::json::value& schema, const std::string& path);
  absl::StatusOr<ExprId> ReadEnum(const Flat& flat, const std::string& path);
  // Values that are excluded, out of its enum. REQUIRES: it has one.
  absl::Status LeaveOut(const boost::json::array& except, Flat& flat);
  // But for the values of `except`.
  absl::StatusOr<ExprId> ReadTypes(const Flat& flat, const boost::json::array& except,
                                   const std::vector<std::string>& types, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadExceptOfType(const Flat& flat, const boost::json::array& except, const std::string& type,
                                          const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadType(const Flat& flat, std::string_view type, const std::string& path, int depth);
  // Patterns, formats and lengths of a flat schema, and texts that are excluded.
  struct HeldTexts {
    TextClasses classes;
    uint32_t in = 0, out = 0;
    bool Holds(std::string_view text) const {
      uint32_t matched = 0;
      return classes.Find(text, &matched) && (matched & in) == in && (matched & out) == 0;
    }
  };
  absl::StatusOr<HeldTexts> ClassifyTexts(const Flat& flat, const std::vector<std::string>& except,
                                          const std::string& path);
  absl::StatusOr<ExprId> ReadString(const Flat& flat, const std::string& path);
  absl::StatusOr<ExprId> ReadNumber(const Flat& flat, bool whole, const std::string& path);
  absl::StatusOr<ExprId> ReadArray(const Flat& flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadContains(const Flat& flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadUnique(const Flat& flat, const std::string& path, int depth);
  // REQUIRES: it has prefixItems.
  absl::StatusOr<ExprId> ReadUniqueTuples(const Flat& flat, int32_t min, int32_t max, const std::string& at, int depth);
  // All values of a schema, if they are few; nothing otherwise.
  std::optional<boost::json::array> ValuesOf(const boost::json::value& schema, int depth);
  std::optional<boost::json::array> ValuesOfFlat(const Flat& flat, int depth);
  absl::StatusOr<ExprId> ReadObject(const Flat& flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadMap(const Flat& flat, const std::string& path, int depth);
  struct Member {
    std::string name;
    ExprId text = kNoText;  // "name": value
    bool required = false;
  };
  absl::StatusOr<ExprId> ReadOthers(const boost::json::array& objects, const TextClasses& classes, size_t patterns,
                                    size_t all, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadMembers(const Flat& flat, const std::vector<Member>& members, ExprId other,
                                     const std::string& path);
  // What names must be, as patterns that they match.
  absl::StatusOr<std::vector<TextPattern>> NamePatterns(const boost::json::value& names, const std::string& path);
  // A key that is none of `names`, in quotes.
  ExprId OtherKey(const std::vector<std::string>& names);
  // Whether nothing that is made for `a` is valid for `b`. kAsMade: of `a` as it is, because objects have no members
  // but those that are named; kAlways: because of what it says, and so of whatever holds beside it too.
  enum class Apart : uint8_t { kNot, kAsMade, kAlways };
  Apart IsApart(const Flat& a, const Flat& b, int depth);
  // The same, without a look into alternatives and at what holds quietly. `closed`: as it is made, it has no members
  // but those that are named.
  Apart IsApartByKeywords(const Flat& a, const Flat& b, bool closed, int depth);
  Apart AreMembersApart(const Flat& a, const Flat& b, bool closed, int depth);
  absl::StatusOr<std::optional<int32_t>> Count(const Flat& flat, const char* name, const std::string& path) const;

  const Hold hold_;
  SchemaFlattener flattener_;
  Expressions& e_;
  JsonParts& json_;
  WorkBudget& budget_;
  absl::flat_hash_map<std::string, RuleId> rules_;  // by schema, as text
};

// Whether a value keeps a bound of lengths, counts or numbers, or is no whole number where kNotWhole says so; nothing,
// if the keyword is another.
std::optional<bool> IsWithin(const boost::json::value& value, std::string_view keyword,
                             const boost::json::value& bound);

// Its narrowest type. REQUIRES: MakeIntegers has seen it.
std::string_view TypeOf(const boost::json::value& value);
bool IsOfType(const boost::json::value& value, std::string_view type);
// Whether they are equal as JSON Schema means it: 1 is 1.0.
bool AreSame(const boost::json::value& a, const boost::json::value& b);

// The types that a flat schema's own keywords speak of, where it names none.
std::vector<std::string> TypesOf(const boost::json::object& flat);

}  // namespace batucada::grammar
