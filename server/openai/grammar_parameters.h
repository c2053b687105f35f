// The members of a request that say what its text is held to, by every name that has one meaning: OpenAI's
// response_format, vLLM's structured_outputs and its older guided_*, SGLang's regex, ebnf and json_schema, llama.cpp's
// grammar and json_schema.
#pragma once

#include <span>
#include <string>

#include "server/generate/completion_params.h"
#include "server/json/parameter_table.h"

namespace batucada {

struct GrammarParameter {
  std::string name;
  boost::json::object schema;
  void (*read)(RequestReader& reader, CompletionParams& params);
};

std::span<const GrammarParameter> GrammarParameters();

// Those that the table does not have yet. `Params` is made of CompletionParams and more.
template <typename Params>
void AddGrammarParameters(ParameterTable<Params>& table) {
  for (const GrammarParameter& one : GrammarParameters()) {
    if (!table.Has(one.name)) table.AddReadPresent(one.name, one.schema, one.read);
  }
}

// Of an object with a type: response_format, and TGI's grammar.
boost::json::object FormatSchema(std::string_view description);
// A JSON Schema.
boost::json::object SchemaOfSchema(std::string_view description);

}  // namespace batucada
