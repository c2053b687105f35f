#include "text/jinja/json_dump.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "text/jinja/characters.h"
#include "text/jinja/comparison.h"
#include "text/jinja/repr.h"
#include "text/jinja/stable_sort.h"
#include "text/utf8.h"

namespace batucada::jinja {
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

}  // namespace batucada::jinja
