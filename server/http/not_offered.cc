#include "server/http/not_offered.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/json.h"

namespace batucada {
namespace {

struct Missing {
  std::string_view path;  // itself and what is below it
  std::string_view what;
};

constexpr Missing kMissing[] = {
    // OpenAI
    {"/v1/embeddings", "embeddings"},
    {"/v1/images", "images"},
    {"/v1/videos", "videos"},
    {"/v1/audio", "audio"},
    {"/v1/realtime", "the Realtime API"},
    {"/v1/moderations", "moderations"},
    {"/v1/edits", "edits"},
    {"/v1/engines", "the Engines API"},
    {"/v1/files", "files"},
    {"/v1/uploads", "files"},
    {"/v1/batches", "batches"},
    {"/v1/fine_tuning", "fine-tuning"},
    {"/v1/fine-tunes", "fine-tuning"},
    {"/v1/assistants", "the Assistants API"},
    {"/v1/threads", "the Assistants API"},
    {"/v1/vector_stores", "vector stores"},
    {"/v1/evals", "evaluations"},
    {"/v1/containers", "containers"},
    {"/v1/skills", "skills"},
    {"/v1/chatkit", "ChatKit"},
    {"/v1/live", "the Realtime API"},
    {"/v1/decisions", "decisions"},
    {"/v1/content_provenance_checks", "checks of provenance"},
    {"/v1/safety", "alerts and cases"},
    {"/v1/organization", "the administration of an organization: --api-key-file holds the keys"},
    {"/v1/chat/completions/render", "that route: POST the messages to /tokenize or /apply-template"},
    {"/v1/completions/render", "that route: POST the prompt to /tokenize"},
    {"/v1/chat/completions/", "stored completions"},
    // Anthropic
    {"/v1/messages/", "batches of messages"},
    {"/v1/complete", "the Text Completions API"},
    // vLLM, SGLang, TGI
    {"/v1/rerank", "reranking"},
    {"/v2/rerank", "reranking"},
    {"/rerank", "reranking"},
    {"/v1/score", "scores of pairs"},
    {"/score", "scores of pairs"},
    {"/pooling", "embeddings"},
    {"/embed", "embeddings"},
    {"/v2/embed", "embeddings"},
    {"/encode", "embeddings"},
    {"/classify", "classification"},
    {"/v1/classify", "classification"},
    {"/v1/pooling", "embeddings"},
    {"/v1/load_lora_adapter", "LoRA adapters"},
    {"/v1/unload_lora_adapter", "LoRA adapters"},
    {"/load_lora_adapter", "LoRA adapters"},
    {"/unload_lora_adapter", "LoRA adapters"},
    {"/sleep", "sleeping"},
    {"/wake_up", "sleeping"},
    {"/flush_cache", "emptying of its caches"},
    {"/reset_prefix_cache", "emptying of its caches"},
    {"/abort_request", "ending of requests by others: close a request's connection"},
    {"/pause_generation", "pausing"},
    {"/continue_generation", "pausing"},
    {"/release_memory_occupation", "sleeping"},
    {"/resume_memory_occupation", "sleeping"},
    {"/update_weights", "loading of models"},
    {"/update_weights_from_disk", "loading of models"},
    {"/collective_rpc", "calls of its workers"},
    {"/inference/v1/generate", "that route: use /v1/completions, which takes token ids"},
    {"/start_profile", "profiling"},
    {"/stop_profile", "profiling"},
    {"/chat_tokenize", "that route: POST the messages to /tokenize"},
    {"/invocations", "that route: use /v1/completions or /v1/chat/completions"},
    {"/vertex", "that route: use /v1/completions or /v1/chat/completions"},
    // llama.cpp
    {"/infill", "infilling"},
    {"/embedding", "embeddings"},
    {"/embeddings", "embeddings"},
    {"/reranking", "reranking"},
    {"/lora-adapters", "LoRA adapters"},
    {"/models/", "loading of models: GET /v1/models lists them"},
    // Ollama
    {"/api/embed", "embeddings"},
    {"/api/embeddings", "embeddings"},
    {"/api/pull", "loading of models"},
    {"/api/push", "loading of models"},
    {"/api/create", "loading of models"},
    {"/api/copy", "loading of models"},
    {"/api/delete", "loading of models"},
    {"/api/blobs", "loading of models"},
};

struct MissingMethod {
  std::string_view method, path;  // the path itself, or what is below it if it ends with a slash
  std::string_view what;
};

constexpr MissingMethod kMissingMethods[] = {
    {"GET", "/v1/chat/completions", "a list of stored completions, of which it keeps none: POST makes one"},
    {"DELETE", "/v1/models/", "deletion of models"},
    {"POST", "/v1/responses/compact", "compaction: previous_response_id or a conversation holds what was said"},
};

}  // namespace

std::string MethodNotOffered(std::string_view method, std::string_view path) {
  for (const MissingMethod& missing : kMissingMethods) {
    const bool covers = missing.path.ends_with('/') ? path.starts_with(missing.path) : path == missing.path;
    if (method != missing.method || !covers) continue;
    return fmt::format("{} {}: this server does not offer {}", missing.method, Printable(path), missing.what);
  }
  return {};
}

std::string NotOffered(std::string_view path, std::string_view meant) {
  const auto covers = [path](const Missing& missing) {
    const std::string_view whole = missing.path;
    return path.starts_with(whole) &&
           (path.size() == whole.size() || whole.ends_with('/') || path[whole.size()] == '/');
  };
  const auto* const found = std::find_if(std::begin(kMissing), std::end(kMissing), covers);
  if (found == std::end(kMissing)) {
    return fmt::format("there is nothing at {}{}", Printable(path),
                       meant.empty() ? "" : fmt::format(": is it {}?", meant));
  }
  return fmt::format("{}: this server does not offer {}. It continues texts and conversations: see /openapi.json",
                     Printable(path), found->what);
}

}  // namespace batucada
