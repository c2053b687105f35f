#include "server/api/api_schemas.h"

#include <boost/json/parse.hpp>

#include "server/open_inference/infer_json.h"
#include "server/open_inference/infer_metadata.h"
#include "server/openai/chat_request.h"
#include "server/openai/completion_request.h"
#include "server/openai/tokens.h"
#include "server/operations/log_settings.h"

namespace batucada {
namespace {

// Answers may grow members; clients must bear that, so none says additionalProperties.
constexpr char kAnswers[] = R"json({
"Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object",
  "required": ["message", "type", "param", "code"], "properties": {
    "message": {"type": "string", "description": "What is wrong, and what to change."},
    "type": {"type": "string"},
    "param": {"type": ["string", "null"], "description": "The parameter at fault, such as stop[3]."},
    "code": {"type": ["string", "null"], "description": "For programs."}}}}},
"Usage": {"type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens"], "properties": {
  "prompt_tokens": {"type": "integer", "description": "Each prompt once, however many choices it has."},
  "completion_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"},
  "prompt_tokens_details": {"type": "object", "properties": {"cached_tokens": {"type": "integer",
    "description": "Of the prompts' tokens, those that were not computed again because an earlier prompt began the same."},
    "cache_write_tokens": {"type": "integer",
    "description": "Of the prompts' tokens, those behind them that later prompts which begin the same need not compute."}}}}},
"FinishReason": {"type": ["string", "null"], "enum": ["stop", "length", "tool_calls", "cancelled", "shutdown", "deadline", "overrun", "error", null],
  "description": "stop: end token, stop token or stop string. length: max_tokens. tool_calls: like stop, behind calls of tools. The others only in streams, which then end with an error."},
"StopReason": {"type": ["string", "integer", "null"],
  "description": "The stop string or stop token that ended the text; null if the model's own end token did."},
"TokenIds": {"type": "array", "items": {"type": "integer"}, "description": "With return_token_ids."},
"PromptLogprobs": {"type": "array", "description": "With prompt_logprobs; null for the first token.",
  "items": {"type": ["object", "null"], "additionalProperties": {"type": "object",
    "required": ["logprob", "rank", "decoded_token"], "properties": {"logprob": {"type": "number"},
      "rank": {"type": "integer"}, "decoded_token": {"type": "string"}}}}},
"Completion": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"], "properties": {
  "system_fingerprint": {"type": "string", "description": "Of the model, its numbers and this program's version."},
  "id": {"type": "string"}, "object": {"const": "text_completion"}, "created": {"type": "integer"},
  "model": {"type": "string"}, "usage": {"$ref": "#/components/schemas/Usage"},
  "choices": {"type": "array", "items": {"type": "object",
    "required": ["index", "text", "logprobs", "finish_reason", "stop_reason"], "properties": {
      "index": {"type": "integer"}, "text": {"type": "string"},
      "logprobs": {"type": ["object", "null"],
        "required": ["tokens", "token_logprobs", "top_logprobs", "text_offset"], "properties": {
        "tokens": {"type": "array", "items": {"type": "string"}},
        "token_logprobs": {"type": "array", "items": {"type": ["number", "null"]}},
        "top_logprobs": {"type": "array",
          "items": {"type": ["object", "null"], "additionalProperties": {"type": "number"}}},
        "text_offset": {"type": "array", "items": {"type": "integer"},
          "description": "Where each token's own text begins in the choice's text, in characters. The space before a word is a part of its token, as in tokens: in \"Hello world\" the token \" world\" begins at 5."}}},
      "finish_reason": {"$ref": "#/components/schemas/FinishReason"},
      "stop_reason": {"$ref": "#/components/schemas/StopReason"},
      "token_ids": {"$ref": "#/components/schemas/TokenIds"},
      "prompt_token_ids": {"$ref": "#/components/schemas/TokenIds"},
      "prompt_logprobs": {"$ref": "#/components/schemas/PromptLogprobs"}}}}}},
"TokenLogprob": {"type": "object", "required": ["token", "logprob", "bytes"], "properties": {
  "token": {"type": "string"}, "logprob": {"type": "number"},
  "bytes": {"type": "array", "items": {"type": "integer"}},
  "top_logprobs": {"type": "array", "items": {"$ref": "#/components/schemas/TokenLogprob"}}}},
"ChatCompletion": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"],
  "properties": {
  "system_fingerprint": {"type": "string", "description": "Of the model, its numbers and this program's version."},
  "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": {"type": "integer"},
  "model": {"type": "string"}, "usage": {"$ref": "#/components/schemas/Usage"},
  "choices": {"type": "array", "items": {"type": "object",
    "required": ["index", "message", "logprobs", "finish_reason", "stop_reason"], "properties": {
      "index": {"type": "integer"},
      "message": {"type": "object", "required": ["role", "content", "refusal"], "properties": {
        "role": {"const": "assistant"}, "refusal": {"type": "null"},
        "content": {"type": ["string", "null"], "description": "null where there are calls alone."},
        "reasoning_content": {"type": "string", "description": "What the model thought, if it did."},
        "reasoning": {"type": "string", "description": "The same."},
        "tool_calls": {"type": "array", "items": {"type": "object", "required": ["id", "type", "function"], "properties": {
          "id": {"type": "string"}, "type": {"const": "function"}, "function": {"type": "object",
            "required": ["name", "arguments"], "properties": {"name": {"type": "string"},
              "arguments": {"type": "string", "description": "JSON, as the model wrote it."}}}}}}}},
      "logprobs": {"type": ["object", "null"], "required": ["content", "refusal"], "properties": {
        "content": {"type": "array", "items": {"$ref": "#/components/schemas/TokenLogprob"}},
        "refusal": {"type": "null"}}},
      "finish_reason": {"$ref": "#/components/schemas/FinishReason"},
      "stop_reason": {"$ref": "#/components/schemas/StopReason"},
      "token_ids": {"$ref": "#/components/schemas/TokenIds"}}}},
  "prompt_token_ids": {"$ref": "#/components/schemas/TokenIds"},
  "prompt_logprobs": {"$ref": "#/components/schemas/PromptLogprobs"}}},
"Model": {"type": "object", "required": ["id", "object", "created", "owned_by", "max_model_len"], "properties": {
  "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"},
  "owned_by": {"type": "string"}, "type": {"const": "model"}, "display_name": {"type": "string"},
  "created_at": {"type": "string"},
  "max_model_len": {"type": "integer", "description": "Prompt and generated tokens of one request."}}},
"Models": {"type": "object", "required": ["object", "data"], "properties": {"object": {"const": "list"},
  "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}, "has_more": {"const": false},
  "first_id": {"type": ["string", "null"]}, "last_id": {"type": ["string", "null"]}}},
"Tokens": {"type": "object", "required": ["count", "max_model_len", "tokens", "token_strs"], "properties": {
  "count": {"type": "integer"}, "max_model_len": {"type": "integer"},
  "tokens": {"type": "array", "items": {"type": ["integer", "object"]}},
  "token_strs": {"type": ["array", "null"], "items": {"type": "string"}}}},
"Text": {"type": "object", "required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
"Health": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"},
  "reason": {"type": "string"}}},
"Load": {"type": "object", "required": ["server_load", "running", "waiting", "waiting_tokens", "slots_used",
  "slots_total", "blocks_used", "blocks_total"], "properties": {
  "server_load": {"type": "integer", "description": "running and waiting together"},
  "running": {"type": "integer"}, "waiting": {"type": "integer"}, "waiting_tokens": {"type": "integer"},
  "slots_used": {"type": "integer"}, "slots_total": {"type": "integer"},
  "blocks_used": {"type": "integer"}, "blocks_total": {"type": "integer"}}},
"LogSettings": {"type": "object", "required": ["level", "request_sampling"], "properties": {
  "level": {"type": "string"}, "request_sampling": {"type": "number"}}},
"ModelInfo": {"type": "object", "required": ["model_path", "is_generation"], "properties": {
  "model_path": {"type": "string"}, "is_generation": {"type": "boolean"}}},
"ServerInfo": {"type": "object", "required": ["version", "model_path", "context_length"], "properties": {
  "version": {"type": "string"}, "model_path": {"type": "string"}, "context_length": {"type": "integer"}}},
"RankLoad": {"type": "object", "required": ["dp_rank", "num_reqs", "num_waiting_reqs", "num_tokens"], "properties": {
  "dp_rank": {"type": "integer"}, "num_reqs": {"type": "integer"}, "num_waiting_reqs": {"type": "integer"},
  "num_tokens": {"type": "integer"}}},
"RankLoads": {"type": "array", "items": {"$ref": "#/components/schemas/RankLoad"}},
"Loads": {"type": "object", "required": ["loads"], "properties": {
  "loads": {"$ref": "#/components/schemas/RankLoads"}}},
"Sleeping": {"type": "object", "required": ["is_sleeping"], "properties": {"is_sleeping": {"const": false}}},
"TokenizerInfo": {"type": "object", "required": ["chat_template"], "properties": {
  "bos_token": {"type": ["string", "null"]}, "eos_token": {"type": ["string", "null"]},
  "chat_template": {"type": ["string", "null"]}}},
"Version": {"type": "object", "required": ["version"], "properties": {"version": {"type": "string"}}},
"Root": {"type": "object", "required": ["name", "version", "endpoints"], "properties": {
  "name": {"type": "string"}, "version": {"type": "string"},
  "endpoints": {"type": "array", "items": {"type": "string"}}}},
"InferError": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string",
  "description": "What is wrong, and what to change."}}},
"InferState": {"type": "object", "properties": {"live": {"type": "boolean"}, "ready": {"type": "boolean"}}},
"InferServer": {"type": "object", "required": ["name", "version", "extensions"], "properties": {
  "name": {"type": "string"}, "version": {"type": "string"},
  "extensions": {"type": "array", "items": {"type": "string"}}}},
"InferTensorMetadata": {"type": "object", "required": ["name", "datatype", "shape"], "properties": {
  "name": {"type": "string"}, "datatype": {"type": "string"},
  "shape": {"type": "array", "items": {"type": "integer"}}}},
"InferModel": {"type": "object", "required": ["name", "versions", "platform", "inputs", "outputs"], "properties": {
  "name": {"type": "string"}, "versions": {"type": "array", "items": {"type": "string"}},
  "platform": {"type": "string"},
  "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/InferTensorMetadata"}},
  "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/InferTensorMetadata"}}}},
"InferResponse": {"type": "object", "required": ["model_name", "model_version", "outputs"], "properties": {
  "id": {"type": "string"}, "model_name": {"type": "string"}, "model_version": {"type": "string"},
  "outputs": {"type": "array", "items": {"type": "object", "required": ["name", "datatype", "shape"], "properties": {
    "name": {"const": "text_output"}, "datatype": {"const": "BYTES"},
    "shape": {"type": "array", "items": {"type": "integer"}},
    "data": {"type": "array", "items": {"type": "string"}}}}}}},
"GenerateResponse": {"type": "object", "required": ["model_name", "model_version", "text_output"], "properties": {
  "id": {"type": "string"}, "model_name": {"type": "string"}, "model_version": {"type": "string"},
  "text_output": {"type": ["string", "array"], "items": {"type": "string"},
    "description": "A list if n is not 1."}}},
"EventStream": {"description": "Events, each with a GenerateResponse or an InferError."},
"RepositoryIndex": {"type": "array", "items": {"type": "object", "required": ["name", "version", "state", "reason"],
  "properties": {"name": {"type": "string"}, "version": {"type": "string"},
    "state": {"enum": ["READY", "UNAVAILABLE"]}, "reason": {"type": "string"}}}},
"Metrics": {"type": "string", "description": "Prometheus' text format, version 0.0.4."},
"OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]}
})json";

}  // namespace

boost::json::object ApiSchemas(UnknownMembers::Policy unknown) {
  boost::json::object schemas = boost::json::parse(kAnswers).as_object();
  schemas["CompletionRequest"] = CompletionParameters().Schema(unknown);
  schemas["ChatRequest"] = ChatParameters().Schema(unknown);
  schemas["InferRequest"] = InferParameters().Schema();
  schemas["GenerateRequest"] = GenerateSchema();
  schemas["RepositoryIndexRequest"] = RepositoryIndexParameters().Schema();
  schemas["TokenizeRequest"] = TokenizeParameters().Schema(unknown);
  schemas["DetokenizeRequest"] = DetokenizeParameters().Schema(unknown);
  schemas["SetLogRequest"] = LogParameters().Schema();
  return schemas;
}

}  // namespace batucada
