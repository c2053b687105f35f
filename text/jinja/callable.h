// What a template can call: macros, bound methods, global functions, recursive loops.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "text/jinja/value.h"

namespace batucada::jinja {

class Runtime;

// The arguments of one call, in order.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keyword;

  const Value* FindKeyword(std::string_view name) const;
};

class Callable {
 public:
  // `depth` as in Value::depth: one more than that of the values that it holds.
  explicit Callable(int depth = 0) : depth_(depth) {}
  virtual ~Callable() = default;
  Callable(const Callable&) = delete;
  Callable& operator=(const Callable&) = delete;

  [[nodiscard]] virtual absl::StatusOr<Value> Call(Runtime& runtime, const Arguments& arguments) = 0;

  // The value of an attribute, nothing if it has none of that name.
  [[nodiscard]] virtual absl::StatusOr<std::optional<Value>> Attribute(std::string_view name);

  virtual std::string_view TypeName() const { return "function"; }
  int depth() const { return depth_; }

 private:
  const int depth_;
};

// The arguments of a built-in function, by place or by name: one for each of `names`, null where none is given.
// INVALID_ARGUMENT, as a TypeError in Python, for surplus, unknown and doubly given arguments and where one of the
// first `required` is missing. Valid as long as `arguments`.
[[nodiscard]] absl::StatusOr<std::vector<const Value*>> Bind(std::string_view function, const Arguments& arguments,
                                                             std::vector<std::string_view> names, size_t required);

// Optional arguments. A wrong type is INVALID_ARGUMENT; `name` is the argument's.
[[nodiscard]] absl::StatusOr<int64_t> IntArgument(const Value* argument, std::string_view name, int64_t fallback);
// A view of the argument or of `fallback`.
[[nodiscard]] absl::StatusOr<std::string_view> TextArgument(const Value* argument, std::string_view name,
                                                            std::string_view fallback);
bool TruthArgument(const Value* argument, bool fallback);

}  // namespace batucada::jinja
