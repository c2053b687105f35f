// The members of a request that say how its text will be used again: hints, on which no answer depends. Breakpoints
// stand in the conversation itself (text/breakpoints.h).
#pragma once

#include "server/generate/completion_params.h"
#include "server/json/parameter_table.h"

namespace batucada {

// prompt_cache_key and session_id.
void ReadSessionNames(RequestReader& reader, CacheHints* hints);
// prompt_cache_options and prompt_cache_retention.
void ReadCacheOptions(RequestReader& reader, CacheHints* hints);

boost::json::object PromptCacheKeySchema();
boost::json::object SessionIdSchema();
boost::json::object PromptCacheOptionsSchema();
boost::json::object PromptCacheRetentionSchema();

// All of them, and cache_salt. `Params` is a CompletionParams.
template <typename Params>
void AddCacheParameters(ParameterTable<Params>& table) {
  table.Add("cache_salt",
            StringSchema("Prompts share what was computed of their beginnings only with those of the same key and the "
                         "same cache_salt; at most 256 bytes."),
            &Params::cache_salt);
  table.AddReadPresent("prompt_cache_key", PromptCacheKeySchema(),
                       [](RequestReader& reader, Params& params) { ReadSessionNames(reader, &params.cache); });
  table.AddBeside("session_id", SessionIdSchema(), "prompt_cache_key");
  table.AddReadPresent("prompt_cache_options", PromptCacheOptionsSchema(),
                       [](RequestReader& reader, Params& params) { ReadCacheOptions(reader, &params.cache); });
  table.AddBeside("prompt_cache_retention", PromptCacheRetentionSchema(), "prompt_cache_options");
}

}  // namespace batucada
