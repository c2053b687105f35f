// What a text is held to, in the forms that clients of different servers write. Each reader notes it in
// `params.grammar`; a second one that says something else is an error, and so is whatever it would not hold a text to:
// no member of a constraint is ever passed over.
#pragma once

#include <string_view>

#include "server/generate/completion_params.h"
#include "server/json/request_reader.h"

namespace batucada {

// A JSON Schema, or a text that holds one.
void ReadSchemaMember(RequestReader& reader, CompletionParams& params, std::string_view name);
// A regular expression or a grammar.
void ReadGrammarText(RequestReader& reader, CompletionParams& params, std::string_view name, GrammarSpec::Kind kind);
// A list of texts.
void ReadChoices(RequestReader& reader, CompletionParams& params, std::string_view name);

// An object whose `type` says what its other member is: OpenAI's {"type": "json_schema", "json_schema": {"name",
// "schema"}}; llama.cpp's {"type": "json_object", "schema"}; TGI's {"type": "json" or "regex", "value"}.
void ReadFormatObject(RequestReader& reader, CompletionParams& params, std::string_view name);
// vLLM's structured_outputs.
void ReadStructuredOutputs(RequestReader& reader, CompletionParams& params);
// Ollama's: "json", or a JSON Schema.
void ReadOllamaFormat(RequestReader& reader, CompletionParams& params);
// The member grammar; as llama.cpp's clients send it, an empty one is none.
void ReadLlamaGrammar(RequestReader& reader, CompletionParams& params);
// The member json_schema; as llama.cpp has it, an empty one beside a grammar, even an empty one, is none.
void ReadLlamaSchema(RequestReader& reader, CompletionParams& params);

}  // namespace batucada
