// JSON Schemas with what they refer to and what must hold beside them put into one object: the first half of reading
// one.
//
// What this server cannot hold an answer to is refused here, with its place in the schema, and never passed over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "absl/status/statusor.h"
#include "text/grammar/work_budget.h"

namespace batucada::grammar {

// Members of a flat schema that no client's schema has: JSON is UTF-8, and this byte is none.
inline constexpr char kOwnMark = '\xff';
inline bool IsOwn(std::string_view member) { return member.starts_with(kOwnMark); }
// The alternatives of every anyOf and oneOf that must hold, and that nothing does.
inline constexpr const char* kAnyOfs = "\xff#anyOf";  // [[schema, …], …]
inline constexpr const char* kOneOfs = "\xff#oneOf";
inline constexpr const char* kNothing = "\xff#never";
// Of an alternative that others were held against: where none of the types that it speaks of is left, nothing is.
inline constexpr const char* kNoOtherTypes = "\xff#noOtherTypes";  // true
// unevaluatedProperties and unevaluatedItems, to be held against what is left when all alternatives are chosen.
inline constexpr const char* kUnevaluatedProperties = "\xff#unevaluatedProperties";
inline constexpr const char* kUnevaluatedItems = "\xff#unevaluatedItems";
// Of what is not to be: values, and patterns of texts.
inline constexpr const char* kExcept = "\xff#except";            // [value, …]
inline constexpr const char* kNotPatterns = "\xff#notPatterns";  // [regex, …]
// Of numbers: they are not whole.
inline constexpr const char* kNotWhole = "\xff#notWhole";  // true
// Schemas that hold too, and evaluate nothing as unevaluatedProperties and unevaluatedItems mean it: what follows from
// negations. They are put in when what these two say is settled.
inline constexpr const char* kQuietly = "\xff#quietly";  // [schema, …]
// Beside kQuietly: of what a negation leaves not all is in it.
inline constexpr const char* kNarrowed = "\xff#narrowed";  // true
// "claims": what it finds is evaluated.
inline constexpr const char* kContains = "\xff#contains";  // [{"schema": …, "min": n, "max": n or absent, "claims"}, …]
// What items from a place on must be that no contains claims.
inline constexpr const char* kUnclaimed = "\xff#unclaimed";  // {"schema": …, "from": n}
// What each of several schemas says of the same object's members, where patterns of one do not see names of another.
inline constexpr const char* kObjects =
    "\xff#objects";  // [{"properties", "patternProperties", "additionalProperties"}, …]

// INVALID_ARGUMENT with the path of what is not held to: "$.properties.a.not …".
class SchemaFlattener {
 public:
  // Both outlive this.
  SchemaFlattener(const boost::json::value& root, WorkBudget& budget) : root_(root), budget_(budget) {}

  // Without $ref, allOf, const and annotations; "pattern" and "format" are lists. `path` is where it stands.
  absl::StatusOr<boost::json::object> Flatten(const boost::json::value& schema, const std::string& path, int depth = 0);
  // What satisfies both. REQUIRES: both are flat.
  // kWay: b is an alternative of a's own; kApart: it is another schema that holds for the same value.
  enum class Scope : uint8_t { kApart, kWay };
  absl::StatusOr<boost::json::object> Merge(boost::json::object a, const boost::json::object& b,
                                            const std::string& path, Scope scope = Scope::kApart);

  // A schema of values that are not `schema`'s: of all of them, but for those that satisfy more than one alternative of
  // a oneOf. What it cannot say is refused.
  absl::StatusOr<boost::json::value> Negated(const boost::json::value& schema, const std::string& path, int depth = 0);

 private:
  absl::StatusOr<const boost::json::value*> Resolve(const boost::json::value& reference, const std::string& path) const;
  absl::StatusOr<boost::json::object> MergeSettled(boost::json::object a, const boost::json::object& b,
                                                   const std::string& path);
  // What the conditions of `schema` (not, if, dependentRequired, …) add to what else it says.
  absl::StatusOr<boost::json::object> AddConditions(boost::json::object flat, const boost::json::object& schema,
                                                    const std::string& path, int depth);

  const boost::json::value& root_;
  WorkBudget& budget_;
  int64_t narrowed_ = 0;  // negations that leave something out
};

// What unevaluatedProperties and unevaluatedItems come to, of a flat schema without alternatives.
absl::Status Settle(boost::json::object& flat, const std::string& path);
// What a JSON Pointer in a $ref, "#" or "#/…", refers to; null, if to nothing in `root` or if it is none.
const boost::json::value* AtPointer(const boost::json::value& root, std::string_view pointer);
// A schema of what satisfies both.
boost::json::value BothSchemas(const boost::json::value& a, const boost::json::value& b);
// Values in `value`, itself and names of members counted: what a copy of it costs.
int64_t SizeOf(const boost::json::value& value);
// Steps of putting so many members, whose names a stranger has chosen, into an object one by one: they may meet in one
// bucket of its table, whose hash has no secret worth the name.
inline int64_t StepsOfNaming(size_t members) { return static_cast<int64_t>(members * members / 1024); }
// "$.a[0]", or with quotes where the name needs them.
std::string Below(const std::string& path, std::string_view member);
absl::Status Refused(const std::string& path, std::string_view what);
// What a client calls a member of a flat schema.
std::string_view KeywordOf(std::string_view member);

}  // namespace batucada::grammar
