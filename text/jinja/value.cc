#include "text/jinja/value.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace batucada::jinja {
namespace {

// A text that keys share exactly when Python finds them equal: 1, 1.0 and true are one key.
std::string IndexName(const Value& key) {
  switch (key.kind()) {
    case Kind::kString: return "s" + key.text();
    case Kind::kBool:
    case Kind::kInt: return absl::StrCat("i", key.integer());
    case Kind::kFloat: {
      const double real = key.real();
      if (std::trunc(real) == real && std::abs(real) < 9e18) return absl::StrCat("i", static_cast<int64_t>(real));
      return absl::StrCat("f", absl::Hex(std::bit_cast<uint64_t>(real)));
    }
    default: return "n";
  }
}

bool KeysEqual(const Value& a, const Value& b) {
  if (a.Is(Kind::kString) || b.Is(Kind::kString)) {
    return a.kind() == b.kind() && a.text() == b.text();
  }
  return IndexName(a) == IndexName(b);
}

}  // namespace

Value Value::Undefined(std::string message) {
  return Value(Storage(Missing{std::make_shared<const std::string>(std::move(message))}));
}

Value Value::String(std::string text) {
  return Value(Storage(Text{.bytes = std::make_shared<const std::string>(std::move(text))}));
}

Value Value::Markup(std::string text) {
  return Value(Storage(Text{.bytes = std::make_shared<const std::string>(std::move(text)), .markup = true}));
}

bool Value::Is(SequenceKind kind) const { return Is(Kind::kSequence) && sequence()->kind == kind; }

bool Value::Truth() const {
  switch (kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool:
    case Kind::kInt: return integer() != 0;
    case Kind::kFloat: return real() != 0;
    case Kind::kString: return !text().empty();
    case Kind::kSequence: return Is(SequenceKind::kGenerator) || !sequence()->items.empty();
    case Kind::kDict: return !dict().entries().empty();
    case Kind::kNamespace:
    case Kind::kCallable: return true;
  }
  return false;
}

bool Value::SameObject(const Value& other) const {
  if (kind() != other.kind()) return false;
  switch (kind()) {
    case Kind::kNone: return true;
    case Kind::kBool:
    case Kind::kInt: return integer() == other.integer();
    case Kind::kUndefined: return std::get<Missing>(storage_).message == std::get<Missing>(other.storage_).message;
    case Kind::kFloat: return false;
    case Kind::kString: return std::get<Text>(storage_).bytes == std::get<Text>(other.storage_).bytes;
    case Kind::kSequence: return sequence() == other.sequence();
    case Kind::kDict: return &dict() == &other.dict();
    case Kind::kNamespace: return &names() == &other.names();
    case Kind::kCallable: return &callable() == &other.callable();
  }
  return false;
}

int Value::depth() const {
  if (Is(Kind::kSequence)) return sequence()->depth;
  if (Is(Kind::kDict)) return dict().depth();
  if (Is(Kind::kCallable)) return callable().depth();
  return 0;
}

std::string_view Value::TypeName() const {
  switch (kind()) {
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return is_markup() ? "Markup" : "str";
    case Kind::kDict: return "dict";
    case Kind::kNamespace: return "Namespace";
    case Kind::kCallable: return callable().TypeName();
    case Kind::kSequence: break;
  }
  switch (sequence()->kind) {
    case SequenceKind::kList: return "list";
    case SequenceKind::kTuple: return "tuple";
    case SequenceKind::kRange: return "range";
    case SequenceKind::kKeys: return "dict_keys";
    case SequenceKind::kValues: return "dict_values";
    case SequenceKind::kItems: return "dict_items";
    case SequenceKind::kGenerator: return "generator";
  }
  return "object";
}

std::optional<size_t> Dict::Position(const Value& key) const {
  if (entries_.size() > kSmall) {
    const auto found = index_.find(IndexName(key));
    return found == index_.end() ? std::nullopt : std::optional(found->second);
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (KeysEqual(entries_[i].first, key)) return i;
  }
  return std::nullopt;
}

const Value* Dict::Find(const Value& key) const {
  if (!IsKey(key)) return nullptr;
  const std::optional<size_t> position = Position(key);
  return position.has_value() ? &entries_[*position].second : nullptr;
}

const Value* Dict::Find(std::string_view key) const {
  if (entries_.size() > kSmall) return Find(Value::String(std::string(key)));
  for (const Entry& entry : entries_) {
    if (entry.first.Is(Kind::kString) && entry.first.text() == key) return &entry.second;
  }
  return nullptr;
}

void Dict::Set(Value key, Value value) {
  BATUCADA_CHECK(IsKey(key));
  depth_ = std::max(depth_, value.depth() + 1);
  if (const std::optional<size_t> position = Position(key)) {
    entries_[*position].second = std::move(value);
    return;
  }
  entries_.emplace_back(std::move(key), std::move(value));
  if (entries_.size() <= kSmall) return;
  for (size_t i = index_.size(); i < entries_.size(); ++i) index_.emplace(IndexName(entries_[i].first), i);
}

const Value* Arguments::FindKeyword(std::string_view name) const {
  for (const auto& [keyword_name, value] : keyword) {
    if (keyword_name == name) return &value;
  }
  return nullptr;
}

absl::StatusOr<std::optional<Value>> Callable::Attribute(std::string_view) { return std::optional<Value>(); }

absl::StatusOr<std::vector<const Value*>> Bind(std::string_view function, const Arguments& arguments,
                                               std::vector<std::string_view> names, size_t required) {
  std::vector<const Value*> bound(names.size(), nullptr);
  if (arguments.positional.size() > names.size()) {
    return absl::InvalidArgumentError(
        Concat(function, " takes at most ", names.size(), " arguments, ", arguments.positional.size(), " were given"));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.keyword) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      return absl::InvalidArgumentError(Concat(function, " has no argument '", name, "'"));
    }
    const Value*& place = bound[static_cast<size_t>(found - names.begin())];
    if (place != nullptr) {
      return absl::InvalidArgumentError(Concat(function, " was given two values for '", name, "'"));
    }
    place = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (bound[i] == nullptr) {
      return absl::InvalidArgumentError(Concat(function, " needs the argument '", names[i], "'"));
    }
  }
  return bound;
}

absl::StatusOr<int64_t> IntArgument(const Value* argument, std::string_view name, int64_t fallback) {
  if (argument == nullptr) return fallback;
  if (argument->is_integral()) return argument->integer();
  return absl::InvalidArgumentError(Concat("'", name, "' must be an integer, not ", argument->TypeName()));
}

absl::StatusOr<std::string_view> TextArgument(const Value* argument, std::string_view name, std::string_view fallback) {
  if (argument == nullptr) return fallback;
  if (argument->Is(Kind::kString)) return std::string_view{argument->text()};
  return absl::InvalidArgumentError(Concat("'", name, "' must be a string, not ", argument->TypeName()));
}

bool TruthArgument(const Value* argument, bool fallback) { return argument == nullptr ? fallback : argument->Truth(); }

}  // namespace batucada::jinja
