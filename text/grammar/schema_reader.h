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
#include "text/grammar/schema_flatten.h"

namespace batucada::grammar {

// Used once.
class SchemaReader {
 public:
  // All outlive this.
  SchemaReader(const boost::json::value& root, Expressions& expressions, JsonParts& json, WorkBudget& budget)
      : flattener_(root, budget), e_(expressions), json_(json), budget_(budget) {}

  absl::StatusOr<ExprId> Read(const boost::json::value& schema, const std::string& path, int depth = 0);

 private:
  using Flat = boost::json::object;

  absl::StatusOr<ExprId> ReadFlat(Flat flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadAlternatives(Flat flat, const char* kind, const std::string& path, int depth);
  // `flat`, and not `schema`.
  absl::StatusOr<Flat> Without(Flat flat, const boost::json::value& schema, const std::string& path);
  absl::StatusOr<ExprId> ReadEnum(const Flat& flat, const std::string& path);
  absl::StatusOr<ExprId> ReadExcept(Flat flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadExceptOfType(const Flat& flat, const boost::json::array& except, const std::string& type,
                                          const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadType(const Flat& flat, std::string_view type, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadString(const Flat& flat, const std::string& path);
  absl::StatusOr<ExprId> ReadNumber(const Flat& flat, bool whole, const std::string& path);
  absl::StatusOr<ExprId> ReadArray(const Flat& flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadContains(const Flat& flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadObject(const Flat& flat, const std::string& path, int depth);
  absl::StatusOr<ExprId> ReadMap(const Flat& flat, const std::string& path, int depth);
  // A key that is none of `names`, in quotes.
  ExprId OtherKey(const std::vector<std::string>& names);
  // Whether nothing that is made for `a` is valid for `b`.
  bool Excludes(const Flat& a, const Flat& b, int depth);
  absl::StatusOr<std::optional<int32_t>> Count(const Flat& flat, const char* name, const std::string& path) const;

  SchemaFlattener flattener_;
  Expressions& e_;
  JsonParts& json_;
  WorkBudget& budget_;
  absl::flat_hash_map<std::string, RuleId> rules_;  // by schema, as text
};

// Whether a value keeps a bound of lengths, counts or numbers; nothing, if the keyword is another.
std::optional<bool> IsWithin(const boost::json::value& value, std::string_view keyword,
                             const boost::json::value& bound);

// The types that a flat schema's own keywords speak of, where it names none.
std::vector<std::string> TypesOf(const boost::json::object& flat);

}  // namespace batucada::grammar
