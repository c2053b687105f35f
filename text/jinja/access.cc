#include "text/jinja/access.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/builtins.h"
#include "text/jinja/serialize.h"
#include "text/jinja/text.h"
#include "text/jinja/value.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

std::string TypeRepr(const Value& value) {
  if (value.Is(Kind::kNone)) return "None";
  if (value.Is(Kind::kNamespace)) return "jinja2.utils.Namespace object";
  return Concat(value.TypeName(), " object");
}

Value NoAttribute(const Value& object, std::string_view name) {
  return Value::Undefined(Concat("'", TypeRepr(object), "' has no attribute ", ShortRepr(name)));
}

absl::StatusOr<Value> NoElement(Runtime& runtime, const Value& object, const Value& index) {
  TextBuilder repr(&runtime);
  if (!index.Is(Kind::kCallable) && !index.Is(Kind::kNamespace)) BATUCADA_RETURN_IF_ERROR(AppendRepr(index, &repr));
  return Value::Undefined(Concat(TypeRepr(object), " has no element ", repr.text().substr(0, 100)));
}

// The attribute that the Python type has, if it has one. Entries of a dict are no attributes.
absl::StatusOr<std::optional<Value>> OwnAttribute(const Value& object, std::string_view name) {
  if (object.Is(Kind::kCallable)) return object.callable().Attribute(name);
  if (object.Is(Kind::kNamespace)) {
    const auto found = object.names().attributes.find(name);
    return found == object.names().attributes.end() ? std::optional<Value>() : found->second;
  }
  if (ChangesObject(object, name)) {
    return Value::Undefined(
        Concat("access to attribute ", ShortRepr(name), " of '", object.TypeName(), "' object is unsafe."));
  }
  if (HasMethod(object, name)) return BindMethod(object, name);
  return std::optional<Value>();
}

std::optional<int64_t> ResolveIndex(const Value& index, int64_t size) {
  if (!index.is_integral()) return std::nullopt;
  const int64_t i = index.integer() < 0 ? index.integer() + size : index.integer();
  if (i < 0 || i >= size) return std::nullopt;
  return i;
}

bool HasElements(const Value& value) {
  return value.Is(SequenceKind::kList) || value.Is(SequenceKind::kTuple) || value.Is(SequenceKind::kRange);
}

absl::StatusOr<std::optional<int64_t>> SliceBound(const Value& bound) {
  if (bound.Is(Kind::kNone)) return std::optional<int64_t>();
  if (bound.is_integral()) return std::optional<int64_t>(bound.integer());
  return absl::InvalidArgumentError(Concat("slice indices must be integers or none, not ", bound.TypeName()));
}

}  // namespace

absl::Status UndefinedError(const Value& undefined) {
  return absl::InvalidArgumentError(undefined.undefined_message());
}

absl::StatusOr<Value> GetAttribute(Runtime& runtime, const Value& object, std::string_view name) {
  if (object.Is(Kind::kUndefined)) return UndefinedError(object);
  BATUCADA_ASSIGN_OR_RETURN(std::optional<Value> own, OwnAttribute(object, name));
  if (own.has_value()) return *std::move(own);
  if (object.Is(Kind::kDict)) {
    BATUCADA_RETURN_IF_ERROR(runtime.StepOver(name));
    if (const Value* entry = object.dict().Find(name)) return *entry;
  }
  return NoAttribute(object, name);
}

absl::StatusOr<Value> GetItem(Runtime& runtime, const Value& object, const Value& index) {
  if (object.Is(Kind::kUndefined)) return UndefinedError(object);
  if (object.Is(Kind::kDict)) {
    if (index.Is(Kind::kString)) BATUCADA_RETURN_IF_ERROR(runtime.StepOver(index.text()));
    if (const Value* entry = object.dict().Find(index)) return *entry;
  } else if (HasElements(object)) {
    const std::vector<Value>& items = object.sequence()->items;
    if (const auto i = ResolveIndex(index, static_cast<int64_t>(items.size()))) return items[static_cast<size_t>(*i)];
  } else if (object.Is(Kind::kString) && index.is_integral()) {
    BATUCADA_RETURN_IF_ERROR(runtime.StepOver(object.text()));
    const std::string_view text = object.text();
    if (const auto i = ResolveIndex(index, static_cast<int64_t>(Length(text)))) {
      const std::string_view rest = text.substr(ByteOffset(text, static_cast<size_t>(*i)));
      return runtime.String(rest.substr(0, ByteOffset(rest, 1)));
    }
  }
  if (!index.Is(Kind::kString)) return NoElement(runtime, object, index);
  BATUCADA_ASSIGN_OR_RETURN(std::optional<Value> own, OwnAttribute(object, index.text()));
  return own.has_value() ? *std::move(own) : NoAttribute(object, index.text());
}

absl::StatusOr<Value> GetSlice(Runtime& runtime, const Value& object, const Value& start, const Value& stop,
                               const Value& step) {
  if (object.Is(Kind::kUndefined)) return UndefinedError(object);
  if (!object.Is(Kind::kString) && !HasElements(object)) {
    return absl::InvalidArgumentError(Concat("a ", object.TypeName(), " cannot be sliced"));
  }
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int64_t> first, SliceBound(start));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int64_t> last, SliceBound(stop));
  BATUCADA_ASSIGN_OR_RETURN(const std::optional<int64_t> stride, SliceBound(step));
  if (stride == 0) return absl::InvalidArgumentError("slice step cannot be zero");
  if (object.Is(Kind::kString)) {
    BATUCADA_RETURN_IF_ERROR(runtime.StepOver(object.text()));
    const auto length = static_cast<int64_t>(Length(object.text()));
    if (stride.value_or(1) != 1) {  // takes a table of where characters begin
      BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(object.text()));
      BATUCADA_RETURN_IF_ERROR(runtime.Allocate(2 * object.text().size() * sizeof(size_t)));
    }
    const std::string text = Slice(object.text(), ResolveSlice(length, first, last, stride.value_or(1)));
    return object.is_markup() ? runtime.Markup(text) : runtime.String(text);
  }
  const std::vector<Value>& items = object.sequence()->items;
  const SliceRange range = ResolveSlice(static_cast<int64_t>(items.size()), first, last, stride.value_or(1));
  BATUCADA_RETURN_IF_ERROR(runtime.Step(range.count));
  std::vector<Value> chosen;
  chosen.reserve(static_cast<size_t>(range.count));
  int64_t i = range.first;
  for (int64_t n = 0; n < range.count; ++n) {
    chosen.push_back(items[static_cast<size_t>(i)]);
    if (n + 1 < range.count) i += range.step;
  }
  return runtime.Sequence(object.sequence()->kind, std::move(chosen));
}

absl::Status SetAttribute(Runtime& runtime, Namespace& names, std::string_view name, const Value& value) {
  if (name.starts_with('_')) {
    return absl::InvalidArgumentError(
        Concat("a namespace cannot hold the attribute ", ShortRepr(name), ": its name begins with an underscore"));
  }
  BATUCADA_RETURN_IF_ERROR(runtime.StepOver(name));
  BATUCADA_RETURN_IF_ERROR(runtime.Allocate(name.size() + sizeof(std::string) + sizeof(Value)));
  names.attributes[std::string(name)] = value;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Sequence>> Iterate(Runtime& runtime, const Value& value) {
  static const auto kNothing = std::make_shared<const Sequence>();
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kUndefined: return kNothing;
    case Kind::kSequence: {
      const std::shared_ptr<const Sequence>& sequence = value.sequence();
      if (sequence->kind != SequenceKind::kGenerator) return sequence;
      return std::exchange(sequence->consumed, true) ? kNothing : sequence;
    }
    case Kind::kDict:
      BATUCADA_RETURN_IF_ERROR(runtime.Step(static_cast<int64_t>(value.dict().entries().size() / 4)));
      items.reserve(value.dict().entries().size());
      for (const Dict::Entry& entry : value.dict().entries()) items.push_back(entry.first);
      break;
    case Kind::kString: {
      const std::string_view text = value.text();
      // Each character becomes a string of its own.
      BATUCADA_RETURN_IF_ERROR(runtime.Step(static_cast<int64_t>(text.size())));
      BATUCADA_RETURN_IF_ERROR(runtime.Allocate(text.size() * (sizeof(std::string) + 2 * sizeof(Value))));
      for (size_t i = 0; i < text.size();) {
        const size_t begin = i;
        NextCodepoint(text, &i);
        items.push_back(Value::String(std::string(text.substr(begin, i - begin))));
      }
      break;
    }
    default: return absl::InvalidArgumentError(Concat("'", value.TypeName(), "' object is not iterable"));
  }
  BATUCADA_ASSIGN_OR_RETURN(const Value list, runtime.List(std::move(items)));
  return list.sequence();
}

absl::StatusOr<int64_t> LengthOf(Runtime& runtime, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString:
      BATUCADA_RETURN_IF_ERROR(runtime.StepOver(value.text()));
      return static_cast<int64_t>(Length(value.text()));
    case Kind::kDict: return static_cast<int64_t>(value.dict().entries().size());
    case Kind::kSequence:
      if (value.Is(SequenceKind::kGenerator)) break;
      return static_cast<int64_t>(value.sequence()->items.size());
    default: break;
  }
  return absl::InvalidArgumentError(Concat("object of type '", value.TypeName(), "' has no len()"));
}

absl::StatusOr<AttributePath> AttributePath::Parse(Runtime& runtime, const Value& attribute) {
  AttributePath path;
  if (attribute.Is(Kind::kNone)) return path;
  if (!attribute.Is(Kind::kString)) {
    path.parts_.push_back(attribute);
    return path;
  }
  BATUCADA_ASSIGN_OR_RETURN(const auto parts, SplitAt(runtime, attribute.text(), ".", -1, SplitFrom::kLeft));
  for (const std::string_view part : parts) {
    int64_t index = 0;
    const auto number = std::from_chars(part.data(), part.data() + part.size(), index);
    if (!part.empty() && part[0] != '-' && number.ec == std::errc() && number.ptr == part.data() + part.size()) {
      path.parts_.push_back(Value::Int(index));
      continue;
    }
    BATUCADA_ASSIGN_OR_RETURN(Value name, runtime.String(part));
    path.parts_.push_back(std::move(name));
  }
  return path;
}

absl::StatusOr<Value> AttributePath::Get(Runtime& runtime, Value item, const std::optional<Value>& fallback) const {
  for (const Value& part : parts_) {
    BATUCADA_RETURN_IF_ERROR(runtime.Step());
    BATUCADA_ASSIGN_OR_RETURN(item, GetItem(runtime, item, part));
    if (fallback.has_value() && item.Is(Kind::kUndefined)) item = *fallback;
  }
  return item;
}

absl::StatusOr<Value> IgnoreCase(Runtime& runtime, const Value& value) {
  if (!value.Is(Kind::kString)) return value;
  BATUCADA_RETURN_IF_ERROR(runtime.StepThrough(value.text()));
  return runtime.String(Lower(value.text()));
}

}  // namespace batucada::jinja
