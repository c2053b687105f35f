// What a template computes with: Python's values, as far as templates have them.
//
// Values are cheap to copy: text and containers are shared and never change; namespaces alone do. One that comes from a
// template or from a conversation is made through Runtime (runtime.h), which counts it. Not thread-safe as far as
// namespaces and generators go: values belong to one rendering.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "base/strings.h"

namespace batucada::jinja {

class Callable;
class Dict;
class Value;

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kSequence,
  kDict,
  kNamespace,
  kCallable,
};

enum class SequenceKind : uint8_t {
  kList,
  kTuple,
  kRange,
  kKeys,  // dict views
  kValues,
  kItems,
  kGenerator,  // what filters such as map return: to be walked once
};

struct Sequence;
struct Namespace;

class Value {
 public:
  Value() : storage_(None{}) {}
  static Value Bool(bool value) { return Value(Storage(std::in_place_type<bool>, value)); }
  static Value Int(int64_t value) { return Value(Storage(std::in_place_type<int64_t>, value)); }
  static Value Float(double value) { return Value(Storage(std::in_place_type<double>, value)); }
  // `message` is what using the value says: "'x' is undefined".
  static Value Undefined(std::string message);
  static Value String(std::string text);
  // Text of markupsafe.Markup, which `safe` and `escape` return: + escapes what is added to it.
  static Value Markup(std::string text);
  static Value Of(std::shared_ptr<const Sequence> sequence) { return Value(Storage(std::move(sequence))); }
  static Value Of(std::shared_ptr<const Dict> dict) { return Value(Storage(std::move(dict))); }
  static Value Of(std::shared_ptr<Namespace> names) { return Value(Storage(std::move(names))); }
  static Value Of(std::shared_ptr<Callable> callable) { return Value(Storage(std::move(callable))); }

  Kind kind() const { return static_cast<Kind>(storage_.index()); }
  bool Is(Kind kind) const { return this->kind() == kind; }
  bool Is(SequenceKind kind) const;
  bool is_markup() const { return Is(Kind::kString) && std::get<Text>(storage_).markup; }
  // int or bool, which is an int in Python.
  bool is_integral() const { return Is(Kind::kInt) || Is(Kind::kBool); }
  bool is_number() const { return is_integral() || Is(Kind::kFloat); }

  // REQUIRES: the kind that they name.
  const std::string& undefined_message() const { return *std::get<Missing>(storage_).message; }
  bool boolean() const { return std::get<bool>(storage_); }
  int64_t integer() const { return Is(Kind::kBool) ? int64_t{boolean()} : std::get<int64_t>(storage_); }
  double real() const { return Is(Kind::kFloat) ? std::get<double>(storage_) : static_cast<double>(integer()); }
  const std::string& text() const { return *std::get<Text>(storage_).bytes; }
  const std::shared_ptr<const Sequence>& sequence() const {
    return std::get<std::shared_ptr<const Sequence>>(storage_);
  }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(storage_); }
  Namespace& names() const { return *std::get<std::shared_ptr<Namespace>>(storage_); }
  Callable& callable() const { return *std::get<std::shared_ptr<Callable>>(storage_); }

  // What `if` goes by.
  bool Truth() const;

  // Python's `is`, for what shares its object.
  bool SameObject(const Value& other) const;

  // How deep containers nest: 0 for what holds no value.
  int depth() const;

  // The name of the Python type: "str".
  std::string_view TypeName() const;

 private:
  struct Missing {
    std::shared_ptr<const std::string> message;
  };
  struct None {};
  struct Text {
    std::shared_ptr<const std::string> bytes;
    bool markup = false;
  };
  // In the order of Kind.
  using Storage = std::variant<Missing, None, bool, int64_t, double, Text, std::shared_ptr<const Sequence>,
                               std::shared_ptr<const Dict>, std::shared_ptr<Namespace>, std::shared_ptr<Callable>>;

  explicit Value(Storage storage) : storage_(std::move(storage)) {}

  Storage storage_;
};

struct Sequence {
  SequenceKind kind = SequenceKind::kList;
  std::vector<Value> items;
  int depth = 1;
  mutable bool consumed = false;  // of a generator
};

// A mapping that keeps its order. Keys are strings, numbers, bools or none.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;

  static bool IsKey(const Value& value) {
    return value.Is(Kind::kString) || value.Is(Kind::kNone) || value.is_number();
  }

  // Null if it is not there. A value that can be no key is never there.
  const Value* Find(const Value& key) const;
  const Value* Find(std::string_view key) const;

  // Replaces the value of an equal key. REQUIRES: IsKey(key).
  void Set(Value key, Value value);

  const std::vector<Entry>& entries() const { return entries_; }
  int depth() const { return depth_; }
  // Whether there are so many entries that keys are looked up in an index, which copies them.
  bool is_indexed() const { return entries_.size() > kSmall; }

 private:
  static constexpr size_t kSmall = 8;  // up to here a look through all entries is faster than an index

  std::optional<size_t> Position(const Value& key) const;

  std::vector<Entry> entries_;
  absl::flat_hash_map<std::string, size_t> index_;  // of more than kSmall entries, by a text that equal keys share
  int depth_ = 1;
};

struct Namespace {
  StringMap<Value> attributes;
};

// What a template can call: macros, bound methods, global functions, recursive loops.

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
