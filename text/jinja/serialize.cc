#include "text/jinja/serialize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "base/float_repr.h"
#include "base/json.h"
#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/operators.h"
#include "text/jinja/stable_sort.h"
#include "text/jinja/text.h"
#include "text/utf8.h"

namespace batucada::jinja {
namespace {

void AppendEscaped(char32_t c, char quote, std::string* out) {
  if (c == U'\n') {
    *out += "\\n";
  } else if (c == U'\r') {
    *out += "\\r";
  } else if (c == U'\t') {
    *out += "\\t";
  } else if (c == U'\\' || c == static_cast<char32_t>(quote)) {
    *out += '\\';
    *out += static_cast<char>(c);
  } else if (IsPrintable(c)) {
    AppendUtf8(c, out);
  } else if (c < 0x100) {
    *out += "\\x";
    AppendHex(c, 2, out);
  } else if (c < 0x10000) {
    *out += "\\u";
    AppendHex(c, 4, out);
  } else {
    *out += "\\U";
    AppendHex(c, 8, out);
  }
}

char QuoteFor(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  return has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
}

absl::Status AppendStringRepr(std::string_view text, TextBuilder* out) {
  const char quote = QuoteFor(text);
  BATUCADA_RETURN_IF_ERROR(out->Append(std::string_view(&quote, 1)));
  BATUCADA_RETURN_IF_ERROR(
      out->AppendEach(text, [quote](char32_t c, std::string* piece) { AppendEscaped(c, quote, piece); }));
  return out->Append(std::string_view(&quote, 1));
}

std::string StringRepr(std::string_view text) {
  const char quote = QuoteFor(text);
  std::string out(1, quote);
  for (size_t i = 0; i < text.size();) AppendEscaped(NextCodepoint(text, &i), quote, &out);
  out += quote;
  return out;
}

absl::Status AppendItems(const std::vector<Value>& items, TextBuilder* out) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) BATUCADA_RETURN_IF_ERROR(out->Append(", "));
    BATUCADA_RETURN_IF_ERROR(AppendRepr(items[i], out));
  }
  return absl::OkStatus();
}

absl::Status AppendSequence(const Sequence& sequence, std::string_view type, TextBuilder* out) {
  switch (sequence.kind) {
    case SequenceKind::kList:
      BATUCADA_RETURN_IF_ERROR(out->Append("["));
      BATUCADA_RETURN_IF_ERROR(AppendItems(sequence.items, out));
      return out->Append("]");
    case SequenceKind::kTuple:
      BATUCADA_RETURN_IF_ERROR(out->Append("("));
      BATUCADA_RETURN_IF_ERROR(AppendItems(sequence.items, out));
      return out->Append(sequence.items.size() == 1 ? ",)" : ")");
    case SequenceKind::kKeys:
    case SequenceKind::kValues:
    case SequenceKind::kItems:
      BATUCADA_RETURN_IF_ERROR(out->Append(Concat(type, "([")));
      BATUCADA_RETURN_IF_ERROR(AppendItems(sequence.items, out));
      return out->Append("])");
    case SequenceKind::kRange:
    case SequenceKind::kGenerator: break;
  }
  return absl::InvalidArgumentError(Concat("a ", type, " cannot be printed; make it a list first"));
}

absl::Status AppendDict(const Dict& dict, TextBuilder* out) {
  std::string_view separator = "{";
  for (const auto& [key, value] : dict.entries()) {
    BATUCADA_RETURN_IF_ERROR(out->Append(separator));
    BATUCADA_RETURN_IF_ERROR(AppendRepr(key, out));
    BATUCADA_RETURN_IF_ERROR(out->Append(": "));
    BATUCADA_RETURN_IF_ERROR(AppendRepr(value, out));
    separator = ", ";
  }
  return out->Append(dict.entries().empty() ? "{}" : "}");
}

}  // namespace

absl::Status AppendStr(const Value& value, TextBuilder* out) {
  if (value.Is(Kind::kUndefined)) return absl::OkStatus();
  if (value.Is(Kind::kString)) return out->Append(value.text());
  return AppendRepr(value, out);
}

absl::Status AppendRepr(const Value& value, TextBuilder* out) {
  switch (value.kind()) {
    case Kind::kUndefined: return out->Append("Undefined");
    case Kind::kNone: return out->Append("None");
    case Kind::kBool: return out->Append(value.boolean() ? "True" : "False");
    case Kind::kInt: return out->Append(Concat(value.integer()));
    case Kind::kFloat: return out->Append(FloatRepr(value.real()));
    case Kind::kString: {
      if (!value.is_markup()) return AppendStringRepr(value.text(), out);
      BATUCADA_RETURN_IF_ERROR(out->Append("Markup("));
      BATUCADA_RETURN_IF_ERROR(AppendStringRepr(value.text(), out));
      return out->Append(")");
    }
    case Kind::kSequence: return AppendSequence(*value.sequence(), value.TypeName(), out);
    case Kind::kDict: return AppendDict(value.dict(), out);
    case Kind::kNamespace:
    case Kind::kCallable: break;
  }
  return absl::InvalidArgumentError(Concat("a ", value.TypeName(), " cannot be printed"));
}

absl::StatusOr<std::string> Str(Runtime& runtime, const Value& value) {
  if (value.Is(Kind::kString)) return value.text();
  TextBuilder out(&runtime);
  BATUCADA_RETURN_IF_ERROR(AppendStr(value, &out));
  return out.Take();
}

std::string ShortRepr(std::string_view text) {
  constexpr size_t kLongest = 100;
  const size_t end = ByteOffset(text, kLongest);
  if (end == text.size()) return StringRepr(text);
  return StringRepr(Concat(text.substr(0, end), "…"));
}

namespace {

std::string JsonFloat(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return FloatRepr(value);
}

void AppendCodeUnit(uint32_t unit, std::string* out) {
  *out += "\\u";
  AppendHex(unit, 4, out);
}

void AppendJsonCharacter(char32_t c, bool ascii_only, std::string* out) {
  switch (c) {
    case U'"': *out += "\\\""; return;
    case U'\\': *out += "\\\\"; return;
    case U'\n': *out += "\\n"; return;
    case U'\r': *out += "\\r"; return;
    case U'\t': *out += "\\t"; return;
    case U'\f': *out += "\\f"; return;
    case U'\b': *out += "\\b"; return;
    default: break;
  }
  if (c >= 0x20 && (c < 0x7F || !ascii_only)) return AppendUtf8(c, out);
  if (c < 0x10000) return AppendCodeUnit(c, out);
  AppendCodeUnit(0xD800 + ((c - 0x10000) >> 10), out);
  AppendCodeUnit(0xDC00 + ((c - 0x10000) & 0x3FF), out);
}

class JsonDumper {
 public:
  JsonDumper(Runtime* runtime, const JsonOptions& options) : runtime_(*runtime), options_(options), out_(runtime) {}

  absl::StatusOr<Value> Run(const Value& value) {
    BATUCADA_RETURN_IF_ERROR(Dump(value));
    return runtime_.String(out_.text());
  }

 private:
  absl::Status Dump(const Value& value) {
    BATUCADA_RETURN_IF_ERROR(runtime_.Step());
    switch (value.kind()) {
      case Kind::kNone: return out_.Append("null");
      case Kind::kBool: return out_.Append(value.boolean() ? "true" : "false");
      case Kind::kInt: return out_.Append(Concat(value.integer()));
      case Kind::kFloat: return out_.Append(JsonFloat(value.real()));
      case Kind::kString: return DumpString(value.text());
      case Kind::kDict: return DumpDict(value.dict());
      case Kind::kSequence:
        if (value.Is(SequenceKind::kList) || value.Is(SequenceKind::kTuple)) return DumpList(value.sequence()->items);
        break;
      default: break;
    }
    return absl::InvalidArgumentError(Concat("Object of type ", value.TypeName(), " is not JSON serializable"));
  }

  absl::Status DumpString(std::string_view text) {
    BATUCADA_RETURN_IF_ERROR(out_.Append("\""));
    BATUCADA_RETURN_IF_ERROR(out_.AppendEach(
        text, [this](char32_t c, std::string* piece) { AppendJsonCharacter(c, options_.ascii_only, piece); }));
    return out_.Append("\"");
  }

  // What stands before an element: the separator, and with an indent a new line.
  absl::Status Separate(bool first) {
    if (!first) BATUCADA_RETURN_IF_ERROR(out_.Append(options_.item_separator));
    return NewLine();
  }

  absl::Status NewLine() {
    if (!options_.indent.has_value()) return absl::OkStatus();
    BATUCADA_RETURN_IF_ERROR(out_.Append("\n"));
    for (int i = 0; i < level_; ++i) BATUCADA_RETURN_IF_ERROR(out_.Append(*options_.indent));
    return absl::OkStatus();
  }

  absl::Status DumpList(const std::vector<Value>& items) {
    if (items.empty()) return out_.Append("[]");
    BATUCADA_RETURN_IF_ERROR(out_.Append("["));
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      BATUCADA_RETURN_IF_ERROR(Separate(i == 0));
      BATUCADA_RETURN_IF_ERROR(Dump(items[i]));
    }
    --level_;
    BATUCADA_RETURN_IF_ERROR(NewLine());
    return out_.Append("]");
  }

  absl::Status DumpDict(const Dict& dict) {
    if (dict.entries().empty()) return out_.Append("{}");
    BATUCADA_ASSIGN_OR_RETURN(const std::vector<const Dict::Entry*> entries, Ordered(dict));
    BATUCADA_RETURN_IF_ERROR(out_.Append("{"));
    ++level_;
    for (const Dict::Entry* entry : entries) {
      BATUCADA_RETURN_IF_ERROR(Separate(entry == entries.front()));
      BATUCADA_RETURN_IF_ERROR(DumpKey(entry->first));
      BATUCADA_RETURN_IF_ERROR(out_.Append(options_.key_separator));
      BATUCADA_RETURN_IF_ERROR(Dump(entry->second));
    }
    --level_;
    BATUCADA_RETURN_IF_ERROR(NewLine());
    return out_.Append("}");
  }

  absl::StatusOr<std::vector<const Dict::Entry*>> Ordered(const Dict& dict) {
    std::vector<const Dict::Entry*> entries;
    BATUCADA_RETURN_IF_ERROR(runtime_.Step(static_cast<int64_t>(dict.entries().size() / 8)));
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (!options_.sort_keys) return entries;
    const auto less = [this](const Dict::Entry* a, const Dict::Entry* b) {
      return Compare(runtime_, ComparisonOperator::kLess, a->first, b->first);
    };
    BATUCADA_RETURN_IF_ERROR(StableSort(&entries, less));
    return entries;
  }

  absl::Status DumpKey(const Value& key) {
    if (key.Is(Kind::kString)) return DumpString(key.text());
    BATUCADA_RETURN_IF_ERROR(out_.Append("\""));
    BATUCADA_RETURN_IF_ERROR(Dump(key));
    return out_.Append("\"");
  }

  Runtime& runtime_;
  const JsonOptions& options_;
  TextBuilder out_;
  int level_ = 0;
};

}  // namespace

absl::StatusOr<Value> DumpJson(Runtime& runtime, const Value& value, const JsonOptions& options) {
  return JsonDumper(&runtime, options).Run(value);
}

namespace {

absl::StatusOr<Value> MakeText(Runtime& runtime, std::string_view text) {
  if (FindInvalidUtf8(text).has_value()) return absl::InvalidArgumentError("text that is not valid UTF-8");
  return runtime.String(text);
}

// `where`: of what fails, the place inside `json`, such as [0].name.
absl::StatusOr<Value> Convert(Runtime& runtime, const boost::json::value& json, int depth, std::string* where) {
  BATUCADA_RETURN_IF_ERROR(runtime.Step());
  BATUCADA_RETURN_IF_ERROR(Runtime::CheckDepth(depth));
  switch (json.kind()) {
    case boost::json::kind::null: return Value();
    case boost::json::kind::bool_: return Value::Bool(json.get_bool());
    case boost::json::kind::int64: return Value::Int(json.get_int64());
    case boost::json::kind::double_: return Value::Float(json.get_double());
    case boost::json::kind::string: return MakeText(runtime, {json.get_string().data(), json.get_string().size()});
    case boost::json::kind::uint64: {
      const uint64_t number = json.get_uint64();
      if (number <= uint64_t{std::numeric_limits<int64_t>::max()}) return Value::Int(static_cast<int64_t>(number));
      return absl::InvalidArgumentError("an integer beyond 64 bits");
    }
    case boost::json::kind::array: {
      std::vector<Value> items;
      items.reserve(json.get_array().size());
      for (const boost::json::value& element : json.get_array()) {
        absl::StatusOr<Value> item = Convert(runtime, element, depth + 1, where);
        if (!item.ok()) {
          where->insert(0, Concat("[", items.size(), "]"));
          return item;
        }
        items.push_back(*std::move(item));
      }
      return runtime.List(std::move(items));
    }
    case boost::json::kind::object: break;
  }
  Dict dict;
  for (const auto& member : json.get_object()) {
    BATUCADA_ASSIGN_OR_RETURN(Value key, MakeText(runtime, {member.key().data(), member.key().size()}));
    absl::StatusOr<Value> value = Convert(runtime, member.value(), depth + 1, where);
    if (!value.ok()) {
      where->insert(0, Concat(".", Printable({member.key().data(), member.key().size()})));
      return value;
    }
    dict.Set(std::move(key), *std::move(value));
  }
  return runtime.OwnDict(std::move(dict));
}

}  // namespace

absl::StatusOr<Value> FromJson(Runtime& runtime, const boost::json::value& json) {
  std::string where;
  absl::StatusOr<Value> value = Convert(runtime, json, /*depth=*/1, &where);
  if (value.ok()) return value;
  return absl::Status(value.status().code(), Concat(where, ": ", value.status().message()));
}

}  // namespace batucada::jinja
