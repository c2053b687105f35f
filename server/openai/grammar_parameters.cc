#include "server/openai/grammar_parameters.h"

#include <utility>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = CompletionParams;
using Kind = GrammarSpec::Kind;

std::string Text(const bj::string& text) { return {text.data(), text.size()}; }

// Notes what the text is held to, once.
void Set(RequestReader& reader, Params& params, std::string name, GrammarSpec spec) {
  if (!reader.ok()) return;
  if (params.grammar) {
    return reader.Fail(name, fmt::format("and {} are both there: give one of them", params.grammar->name),
                       "invalid_value");
  }
  spec.name = std::move(name);
  params.grammar = std::move(spec);
}

// A structural tag as an object, or as a text that holds one.
void SetTag(RequestReader& reader, Params& params, const std::string& name, const bj::value& tag) {
  if (const bj::string* text = tag.if_string()) {
    return Set(reader, params, name, {.kind = Kind::kStructuralTag, .text = Text(*text)});
  }
  if (!tag.is_object()) {
    return reader.Fail(name, fmt::format("must be a structural tag, not {}", DescribeJson(tag)));
  }
  Set(reader, params, name, {.kind = Kind::kStructuralTag, .text = std::string(bj::serialize(tag))});
}

// A schema as an object, or as a text that holds one.
void SetSchema(RequestReader& reader, Params& params, const std::string& name, const bj::value& schema) {
  if (const bj::string* text = schema.if_string()) {
    return Set(reader, params, name, {.kind = Kind::kJsonSchema, .text = Text(*text)});
  }
  if (!schema.is_object() && !schema.is_bool()) {
    return reader.Fail(name, fmt::format("must be a JSON Schema, not {}", DescribeJson(schema)));
  }
  Set(reader, params, name, {.kind = Kind::kJsonSchema, .text = std::string(bj::serialize(schema))});
}

void SetText(RequestReader& reader, Params& params, const std::string& name, Kind kind, const bj::value& value) {
  if (!value.is_string()) return reader.Fail(name, fmt::format("must be a string, not {}", DescribeJson(value)));
  Set(reader, params, name, {.kind = kind, .text = Text(value.get_string())});
}

void SetChoice(RequestReader& reader, Params& params, const std::string& name, const bj::value& value) {
  const bj::array* list = value.if_array();
  if (list == nullptr || list->empty()) {
    return reader.Fail(
        name, fmt::format("must be a list of strings, not {}", list == nullptr ? DescribeJson(value) : "an empty one"));
  }
  GrammarSpec spec{.kind = Kind::kChoice};
  for (const bj::value& one : *list) {
    if (!one.is_string() || one.get_string().empty()) {
      return reader.Fail(fmt::format("{}[{}]", name, spec.choices.size()),
                         fmt::format("must be a string that is not empty, not {}", DescribeJson(one)));
    }
    spec.choices.push_back(Text(one.get_string()));
  }
  Set(reader, params, name, std::move(spec));
}

void ReadResponseFormat(RequestReader& reader, Params& params) {
  constexpr const char* kName = "response_format";
  const bj::value* value = reader.Take(kName);
  if (value == nullptr) return;
  if (!value->is_object()) return reader.Fail(kName, fmt::format("must be an object, not {}", DescribeJson(*value)));
  const bj::value* tagged = value->get_object().if_contains("type");
  if (tagged != nullptr && *tagged == "structural_tag") return SetTag(reader, params, kName, *value);
  RequestReader format(value->get_object(), "response_format.", reader);
  std::string type;
  format.Read("type", &type);
  const bj::value* given = format.Take("json_schema");
  if (format.ok() && type != "text" && type != "json_object" && type != "json_schema") {
    format.Fail("type", "must be one of text, json_object, json_schema, structural_tag",
                type.empty() ? "missing_parameter" : "invalid_value");
  }
  if (format.ok() && given != nullptr && !given->is_object()) {
    format.Fail("json_schema", fmt::format("must be an object with a name and a schema, not {}", DescribeJson(*given)));
  }
  if (format.ok() && type == "json_schema" && given == nullptr) {
    format.Fail("json_schema", "is missing: give an object with a name and a schema", "missing_parameter");
  }
  reader.Fail(format.Finish());
  if (!reader.ok()) return;
  const bj::value* schema = nullptr;
  if (given != nullptr) {  // held to its form whatever the type
    RequestReader named(given->get_object(), "response_format.json_schema.", reader);
    std::string unused;
    bool strict = false;  // an answer is held to the schema in any case
    const bj::value* name = given->get_object().if_contains("name");
    if (name != nullptr && name->is_null()) named.Fail("name", "must be a string, not null");
    named.Read("name", &unused);
    named.Read("description", &unused);
    named.Read("strict", &strict);
    schema = named.Take("schema");
    if (schema != nullptr && !schema->is_object() && !schema->is_string() && !schema->is_bool()) {
      named.Fail("schema", fmt::format("must be a JSON Schema, not {}", DescribeJson(*schema)));
    }
    reader.Fail(named.Finish());
    if (!reader.ok()) return;
  }
  if (type == "text") return;
  if (type == "json_object" || schema == nullptr) {
    Set(reader, params, kName, {.kind = Kind::kJsonObject});
  } else {
    SetSchema(reader, params, "response_format.json_schema.schema", *schema);
  }
  if (params.grammar) params.grammar->or_calls = true;
}

void ReadStructuredOutputs(RequestReader& reader, Params& params) {
  constexpr const char* kName = "structured_outputs";
  const bj::value* value = reader.Take(kName);
  if (value == nullptr) return;
  if (!value->is_object()) return reader.Fail(kName, fmt::format("must be an object, not {}", DescribeJson(*value)));
  RequestReader members(value->get_object(), "structured_outputs.", reader);
  const bj::value *json = members.Take("json"), *regex = members.Take("regex"), *choice = members.Take("choice"),
                  *grammar = members.Take("grammar"), *tag = members.Take("structural_tag");
  bool json_object = false, unused = false;
  members.Read("json_object", &json_object);
  members.Read("disable_fallback", &unused);  // there is none
  members.Refuse("whitespace_pattern", {});
  members.Refuse("disable_any_whitespace", {false});
  members.Refuse("disable_additional_properties", {false});
  reader.Fail(members.Finish());
  if (!reader.ok()) return;
  const std::string path = "structured_outputs.";
  if (json != nullptr) SetSchema(reader, params, path + "json", *json);
  if (regex != nullptr) SetText(reader, params, path + "regex", Kind::kRegex, *regex);
  if (choice != nullptr) SetChoice(reader, params, path + "choice", *choice);
  if (grammar != nullptr) SetText(reader, params, path + "grammar", Kind::kGbnf, *grammar);
  if (tag != nullptr) SetTag(reader, params, path + "structural_tag", *tag);
  if (json_object) Set(reader, params, path + "json_object", {.kind = Kind::kJsonObject});
}

bj::object SchemaOfSchema(std::string_view description) {
  return AnyOfSchema(description, {ObjectSchema("", {}), StringSchema(""), BooleanSchema("", false)});
}

}  // namespace

void AddGrammarParameters(CompletionTable& table) {
  bj::object type = StringSchema("");
  type["enum"] = bj::array{"text", "json_object", "json_schema", "structural_tag"};
  bj::object named =
      ObjectSchema("", {{"name", StringSchema("")},
                        {"description", Nullable(StringSchema(""))},
                        {"schema", Nullable(SchemaOfSchema("Draft 2020-12."))},
                        {"strict", Nullable(BooleanSchema("The answer is held to the schema in any case.", false))}});
  bj::object format = ObjectSchema(
      "Hold the text to JSON, or to a JSON Schema; what a text cannot be held to is refused.",
      {{"type", type},
       {"json_schema", Nullable(std::move(named))},
       {"format", ObjectSchema("Of a structural_tag, as XGrammar describes them: text of several parts.", {})}});
  format["required"] = bj::array{"type"};
  table.AddRead("response_format", std::move(format), ReadResponseFormat);
  const bj::object choice = ArraySchema("The text is one of these.", StringSchema(""));
  const bj::object regex = StringSchema("A regular expression (ECMA-262) that the whole text matches.");
  const bj::object grammar = StringSchema("A grammar (GBNF) with a rule root.");
  table.AddRead("structured_outputs",
                ObjectSchema("Hold the text to one of these.",
                             {{"json", Nullable(SchemaOfSchema("A JSON Schema, or a text that holds one."))},
                              {"regex", Nullable(regex)},
                              {"choice", Nullable(choice)},
                              {"grammar", Nullable(grammar)},
                              {"structural_tag", Nullable(AnyOfSchema("A structural tag, or a text that holds one.",
                                                                      {StringSchema(""), ObjectSchema("", {})}))},
                              {"json_object", Nullable(BooleanSchema("The text is a JSON object.", false))}}),
                ReadStructuredOutputs);
  table.AddRead("guided_json", SchemaOfSchema("The older name of structured_outputs.json."),
                [](RequestReader& reader, Params& params) {
                  if (const bj::value* value = reader.Take("guided_json"))
                    SetSchema(reader, params, "guided_json", *value);
                });
  table.AddRead("guided_regex", regex, [](RequestReader& reader, Params& params) {
    if (const bj::value* value = reader.Take("guided_regex"))
      SetText(reader, params, "guided_regex", Kind::kRegex, *value);
  });
  table.AddRead("guided_choice", choice, [](RequestReader& reader, Params& params) {
    if (const bj::value* value = reader.Take("guided_choice")) SetChoice(reader, params, "guided_choice", *value);
  });
  table.AddRead("guided_grammar", grammar, [](RequestReader& reader, Params& params) {
    if (const bj::value* value = reader.Take("guided_grammar"))
      SetText(reader, params, "guided_grammar", Kind::kGbnf, *value);
  });
}

}  // namespace batucada
