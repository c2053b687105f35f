#include "server/openai/grammar_parameters.h"

#include <vector>

#include "server/openai/grammar_reader.h"

namespace batucada {

namespace bj = boost::json;
using Params = CompletionParams;

bj::object SchemaOfSchema(std::string_view description) {
  return AnyOfSchema(description, {ObjectSchema("", {}), StringSchema(""), BooleanSchema("", false)});
}

bj::object FormatSchema(std::string_view description) {
  bj::object type = StringSchema("");
  type["enum"] = bj::array{"text", "json_object", "json_schema", "json", "regex", "grammar", "structural_tag"};
  bj::object named =
      ObjectSchema("", {{"name", StringSchema("")},
                        {"description", Nullable(StringSchema(""))},
                        {"schema", SchemaOfSchema("Draft 2020-12.")},
                        {"strict", Nullable(BooleanSchema("The answer is held to the schema in any case.", false))}});
  named["required"] = bj::array{"schema"};
  named["additionalProperties"] = false;
  bj::object format = ObjectSchema(
      description,
      {{"type", type},
       {"json_schema", Nullable(std::move(named))},
       {"schema", Nullable(SchemaOfSchema("Of json_object, json_schema and json: the schema."))},
       {"value", Nullable(SchemaOfSchema("Of json_object, json_schema and json the schema, of regex the expression, "
                                         "of grammar the grammar."))},
       {"format", ObjectSchema("Of a structural_tag, as XGrammar describes them: text of several parts.", {})},
       {"pattern", Nullable(StringSchema("Of regex: the expression."))},
       {"grammar", Nullable(StringSchema("Of grammar: GBNF with a rule root."))}});
  format["required"] = bj::array{"type"};
  return format;
}

std::span<const GrammarParameter> GrammarParameters() {
  static const auto* const parameters = [] {
    const bj::object choice = ArraySchema("The text is one of these.", StringSchema(""));
    const bj::object regex = StringSchema("A regular expression (ECMA-262) that the whole text matches.");
    const bj::object grammar = StringSchema("A grammar (GBNF) with a rule root.");
    bj::object outputs =
        ObjectSchema("Hold the text to one of these.",
                     {{"json", Nullable(SchemaOfSchema("A JSON Schema, or a text that holds one."))},
                      {"regex", Nullable(regex)},
                      {"choice", Nullable(choice)},
                      {"grammar", Nullable(grammar)},
                      {"structural_tag", Nullable(AnyOfSchema("A structural tag, or a text that holds one.",
                                                              {StringSchema(""), ObjectSchema("", {})}))},
                      {"json_object", Nullable(BooleanSchema("The text is a JSON object.", false))}});
    return new std::vector<GrammarParameter>{
        {"response_format",
         FormatSchema("Hold the text to JSON, a JSON Schema, a regular expression or a grammar; what a text cannot be "
                      "held to is refused."),
         [](RequestReader& reader, Params& params) { ReadFormatObject(reader, params, "response_format"); }},
        {"structured_outputs", std::move(outputs), ReadStructuredOutputs},
        {"guided_json", SchemaOfSchema("The older name of structured_outputs.json."),
         [](RequestReader& reader, Params& params) { ReadSchemaMember(reader, params, "guided_json"); }},
        {"guided_regex", regex,
         [](RequestReader& reader, Params& params) {
           ReadGrammarText(reader, params, "guided_regex", GrammarSpec::Kind::kRegex);
         }},
        {"guided_choice", choice,
         [](RequestReader& reader, Params& params) { ReadChoices(reader, params, "guided_choice"); }},
        {"guided_grammar", grammar,
         [](RequestReader& reader, Params& params) {
           ReadGrammarText(reader, params, "guided_grammar", GrammarSpec::Kind::kGbnf);
         }},
        {"regex", regex,
         [](RequestReader& reader, Params& params) {
           ReadGrammarText(reader, params, "regex", GrammarSpec::Kind::kRegex);
         }},
        {"ebnf", grammar,
         [](RequestReader& reader, Params& params) {
           ReadGrammarText(reader, params, "ebnf", GrammarSpec::Kind::kGbnf);
         }},
        {"grammar", StringSchema("A grammar (GBNF) with a rule root; empty, as llama.cpp's clients send it: none."),
         ReadLlamaGrammar},
        {"json_schema", SchemaOfSchema("A JSON Schema, or a text that holds one."), ReadLlamaSchema},
    };
  }();
  return *parameters;
}

}  // namespace batucada
