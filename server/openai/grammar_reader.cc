#include "server/openai/grammar_reader.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <boost/json/serialize.hpp>

#include "base/json.h"
#include "server/common/error.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = CompletionParams;

std::string ToString(const bj::string& text) { return {text.data(), text.size()}; }

void Set(RequestReader& reader, Params& params, std::string_view name, GrammarSpec spec) {
  if (!reader.ok()) return;
  spec.name = reader.FullName(name);
  if (!params.grammar) {
    params.grammar = std::move(spec);
    return;
  }
  const GrammarSpec& first = *params.grammar;
  if (first.kind == spec.kind && first.text == spec.text && first.choices == spec.choices) return;
  reader.Fail(name, fmt::format("and {} are both there: give one of them", first.name), "invalid_value");
}

// The member; where numbers may be texts, as gRPC's parameters are, objects and lists may be too: what the text holds
// is put into `parsed`.
const bj::value* TakeStructure(RequestReader& reader, std::string_view name, bj::value* parsed) {
  const bj::value* value = reader.Take(name);
  if (value == nullptr || !value->is_string() || reader.typing() == Typing::kStrict) return value;
  absl::StatusOr<bj::value> json = ParseJson(ToString(value->get_string()), reader.FullName(name));
  if (!json.ok()) {
    reader.Fail(WithParameter(json.status(), reader.FullName(name), "invalid_type"));
    return nullptr;
  }
  *parsed = *std::move(json);
  return parsed->is_null() ? nullptr : parsed;
}

void RefuseEmpty(RequestReader& reader, std::string_view name) {
  reader.Fail(name, "is empty: say what the text is held to, or leave it out", "invalid_value");
}

void SetSchema(RequestReader& reader, Params& params, std::string_view name, const bj::value& schema) {
  if (const bj::string* text = schema.if_string()) {
    if (text->empty()) return RefuseEmpty(reader, name);
    return Set(reader, params, name, {.kind = GrammarSpec::Kind::kJsonSchema, .text = ToString(*text)});
  }
  if (!schema.is_object() && !schema.is_bool()) {
    return reader.Fail(name, fmt::format("must be a JSON Schema, not {}", DescribeJson(schema)));
  }
  Set(reader, params, name, {.kind = GrammarSpec::Kind::kJsonSchema, .text = bj::serialize(schema)});
}

void SetText(RequestReader& reader, Params& params, std::string_view name, GrammarSpec::Kind kind,
             const bj::value& value) {
  if (!value.is_string()) return reader.Fail(name, fmt::format("must be a string, not {}", DescribeJson(value)));
  if (value.get_string().empty()) return RefuseEmpty(reader, name);
  Set(reader, params, name, {.kind = kind, .text = ToString(value.get_string())});
}

void SetChoice(RequestReader& reader, Params& params, std::string_view name, const bj::value& value) {
  const bj::array* list = value.if_array();
  if (list == nullptr || list->empty()) {
    return reader.Fail(name, list == nullptr ? fmt::format("must be a list of strings, not {}", DescribeJson(value))
                                             : "is an empty list: give at least one string, or leave it out");
  }
  GrammarSpec spec{.kind = GrammarSpec::Kind::kChoice};
  for (const bj::value& one : *list) {
    const std::string place = fmt::format("{}[{}]", name, spec.choices.size());
    if (!one.is_string()) return reader.Fail(place, fmt::format("must be a string, not {}", DescribeJson(one)));
    if (one.get_string().empty()) return reader.Fail(place, "is empty: give a text");
    spec.choices.push_back(ToString(one.get_string()));
  }
  Set(reader, params, name, std::move(spec));
}

// A structural tag as an object, or as a text that holds one.
void SetTag(RequestReader& reader, Params& params, std::string_view name, const bj::value& tag) {
  if (const bj::string* text = tag.if_string()) {
    return Set(reader, params, name, {.kind = GrammarSpec::Kind::kStructuralTag, .text = ToString(*text)});
  }
  if (!tag.is_object()) {
    return reader.Fail(name, fmt::format("must be a structural tag, not {}", DescribeJson(tag)));
  }
  Set(reader, params, name, {.kind = GrammarSpec::Kind::kStructuralTag, .text = bj::serialize(tag)});
}

// {"name": …, "schema": …}
void SetNamedSchema(RequestReader& reader, Params& params, std::string_view name, const bj::value& value) {
  if (!value.is_object()) {
    return reader.Fail(name, fmt::format("must be an object with a name and a schema, not {}", DescribeJson(value)));
  }
  RequestReader named(value.get_object(), reader.FullName(name) + ".", reader.typing());
  std::string unused;
  bool strict = false;  // an answer is held to the schema in any case
  const bj::value* title = value.get_object().if_contains("name");
  if (title != nullptr && title->is_null()) named.Fail("name", "must be a string, not null");
  named.Read("name", &unused);
  named.Read("description", &unused);
  named.Read("strict", &strict);
  const bj::value* schema = named.Take("schema");
  if (named.Finish().ok()) {
    schema != nullptr ? SetSchema(named, params, "schema", *schema)
                      : named.Fail("schema", "is missing: give a JSON Schema", "missing_parameter");
  }
  reader.Fail(named.status());
}

// What `type` may be, and the members of which one says the rest.
struct FormatType {
  enum class Held : uint8_t { kNothing, kObject, kSchema, kRegex, kGrammar };
  std::string_view name;
  Held held;
  std::array<std::string_view, 3> members;
  bool must = true;  // have one
};
using Held = FormatType::Held;
constexpr FormatType kFormatTypes[] = {
    {.name = "text", .held = Held::kNothing, .members = {}, .must = false},
    {.name = "json_object", .held = Held::kObject, .members = {"schema", "value"}, .must = false},
    {.name = "json_schema", .held = Held::kSchema, .members = {"json_schema", "schema", "value"}},
    {.name = "json", .held = Held::kSchema, .members = {"value", "schema"}},
    {.name = "regex", .held = Held::kRegex, .members = {"value", "pattern"}},
    {.name = "grammar", .held = Held::kGrammar, .members = {"grammar", "value"}},
};
constexpr std::string_view kFormatMembers[] = {"json_schema", "schema", "value", "pattern", "grammar"};

void SetFormat(RequestReader& format, Params& params, const FormatType& type) {
  std::optional<std::string_view> member;
  const bj::value* value = nullptr;
  for (const std::string_view name : kFormatMembers) {
    const bj::value* one = format.Take(name);
    if (one == nullptr) continue;
    if (std::find(type.members.begin(), type.members.end(), name) == type.members.end()) {
      format.Fail(name,
                  fmt::format("is there beside \"type\": \"{}\", which has no such member: leave it out, or give the "
                              "type that it belongs to",
                              type.name),
                  "invalid_value");
    } else if (member) {
      format.Fail(name, fmt::format("and {} are both there: give one of them", format.FullName(*member)),
                  "invalid_value");
    }
    member = name;
    value = one;
  }
  if (!format.Finish().ok() || type.held == Held::kNothing) return;
  if (value == nullptr) {
    if (type.must)
      return format.Fail(type.members.front(), "is missing: give an object or a text", "missing_parameter");
    return Set(format, params, "type", {.kind = GrammarSpec::Kind::kJsonObject});
  }
  switch (type.held) {
    case Held::kRegex: return SetText(format, params, *member, GrammarSpec::Kind::kRegex, *value);
    case Held::kGrammar: return SetText(format, params, *member, GrammarSpec::Kind::kGbnf, *value);
    case Held::kObject:
      // A schema that allows anything leaves what the type says.
      if (value->is_object() && value->get_object().empty()) {
        return Set(format, params, "type", {.kind = GrammarSpec::Kind::kJsonObject});
      }
      return SetSchema(format, params, *member, *value);
    case Held::kSchema:
    case Held::kNothing: break;
  }
  // TGI's type json_schema has OpenAI's object as its value.
  const bool named = *member == "json_schema" || (type.name == "json_schema" && *member == "value" &&
                                                  value->is_object() && value->get_object().contains("schema"));
  return named ? SetNamedSchema(format, params, *member, *value) : SetSchema(format, params, *member, *value);
}

}  // namespace

void ReadSchemaMember(RequestReader& reader, Params& params, std::string_view name) {
  if (const bj::value* value = reader.Take(name)) SetSchema(reader, params, name, *value);
}

void ReadGrammarText(RequestReader& reader, Params& params, std::string_view name, GrammarSpec::Kind kind) {
  if (const bj::value* value = reader.Take(name)) SetText(reader, params, name, kind, *value);
}

void ReadChoices(RequestReader& reader, Params& params, std::string_view name) {
  bj::value parsed;
  if (const bj::value* value = TakeStructure(reader, name, &parsed)) SetChoice(reader, params, name, *value);
}

void ReadFormatObject(RequestReader& reader, Params& params, std::string_view name) {
  bj::value parsed;
  const bj::value* value = TakeStructure(reader, name, &parsed);
  if (value == nullptr) return;
  if (!value->is_object()) return reader.Fail(name, fmt::format("must be an object, not {}", DescribeJson(*value)));
  const bj::value* tagged = value->get_object().if_contains("type");
  if (tagged != nullptr && *tagged == "structural_tag") return SetTag(reader, params, name, *value);
  RequestReader format(value->get_object(), reader.FullName(name) + ".", reader.typing());
  std::string wanted;
  format.Read("type", &wanted);
  const auto* type = std::find_if(std::begin(kFormatTypes), std::end(kFormatTypes),
                                  [&](const FormatType& one) { return one.name == wanted; });
  if (type == std::end(kFormatTypes)) {
    std::vector<std::string_view> names;
    for (const FormatType& one : kFormatTypes) names.push_back(one.name);
    format.Fail("type", fmt::format("must be one of {}, structural_tag", fmt::join(names, ", ")),
                wanted.empty() ? "missing_parameter" : "invalid_value");
  } else {
    const bool before = params.grammar.has_value();
    SetFormat(format, params, *type);
    // Beside tools an answer may be calls of them instead.
    if (!before && params.grammar) params.grammar->or_calls = true;
  }
  reader.Fail(format.status());
}

void ReadStructuredOutputs(RequestReader& reader, Params& params) {
  constexpr std::string_view kName = "structured_outputs";
  bj::value parsed;
  const bj::value* value = TakeStructure(reader, kName, &parsed);
  if (value == nullptr) return;
  if (!value->is_object()) return reader.Fail(kName, fmt::format("must be an object, not {}", DescribeJson(*value)));
  RequestReader members(value->get_object(), reader.FullName(kName) + ".", reader.typing());
  const bj::value *json = members.Take("json"), *regex = members.Take("regex"), *choice = members.Take("choice"),
                  *grammar = members.Take("grammar"), *tag = members.Take("structural_tag");
  bool unused = false;
  std::optional<bool> json_object;
  members.Read("json_object", &json_object);
  members.Read("disable_fallback", &unused);  // there is none
  members.Refuse("whitespace_pattern", {});
  members.Refuse("disable_any_whitespace", {false});
  members.Refuse("disable_additional_properties", {false});
  if (members.Finish().ok()) {
    if (json != nullptr) SetSchema(members, params, "json", *json);
    if (regex != nullptr) SetText(members, params, "regex", GrammarSpec::Kind::kRegex, *regex);
    if (choice != nullptr) SetChoice(members, params, "choice", *choice);
    if (grammar != nullptr) SetText(members, params, "grammar", GrammarSpec::Kind::kGbnf, *grammar);
    if (tag != nullptr) SetTag(members, params, "structural_tag", *tag);
    if (json_object.value_or(false)) Set(members, params, "json_object", {.kind = GrammarSpec::Kind::kJsonObject});
  }
  reader.Fail(members.status());
  if (json == nullptr && regex == nullptr && choice == nullptr && grammar == nullptr && tag == nullptr &&
      !json_object.value_or(false)) {
    reader.Fail(kName,
                "holds the text to nothing: give one of json, regex, choice, grammar, json_object, structural_tag",
                "missing_parameter");
  }
}

void ReadOllamaFormat(RequestReader& reader, Params& params) {
  constexpr std::string_view kName = "format";
  const bj::value* value = reader.Take(kName);
  if (value == nullptr) return;
  if (value->is_object()) return SetSchema(reader, params, kName, *value);
  if (!value->is_string() || (value->get_string() != "json" && !value->get_string().empty())) {
    return reader.Fail(kName, "must be \"json\" or an object, a JSON Schema", "invalid_value");
  }
  if (!value->get_string().empty()) Set(reader, params, kName, {.kind = GrammarSpec::Kind::kJsonObject});
}

void ReadLlamaGrammar(RequestReader& reader, Params& params) {
  constexpr std::string_view kName = "grammar";
  const bj::value* value = reader.Take(kName);
  if (value == nullptr || (value->is_string() && value->get_string().empty())) return;
  SetText(reader, params, kName, GrammarSpec::Kind::kGbnf, *value);
}

void ReadLlamaSchema(RequestReader& reader, Params& params) {
  const bj::value *grammar = reader.Take("grammar"), *schema = reader.Take("json_schema");
  if (schema == nullptr) return;
  const bool none = grammar != nullptr && grammar->is_string() && schema->is_object() && schema->get_object().empty();
  if (!none) SetSchema(reader, params, "json_schema", *schema);
}

}  // namespace batucada
