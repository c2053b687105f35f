#include "server/openai/known_parameters.h"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "absl/strings/str_cat.h"

namespace batucada {
namespace {

constexpr std::string_view kAny = "*";
constexpr std::string_view kNone = "";
constexpr std::string_view kFlag = "true, false";

// Samplers with a switch: while that is off, and on it is refused, their other settings have no effect.
constexpr std::string_view kSampler = "Setting of a sampler that is off.";
constexpr std::string_view kReasoning = "This server does not split reasoning from text.";
constexpr std::string_view kConstraint = "Not supported: constrains the text.";
constexpr std::string_view kTools = "Not supported: calls of tools.";
constexpr std::string_view kParts = "Not supported: only text.";
constexpr std::string_view kRouting = "Routing inside another server.";
constexpr std::string_view kOpenAi = "OpenAI's; not supported at other values.";
constexpr std::string_view kVllm = "vLLM's; not supported at other values.";
constexpr std::string_view kSglang = "SGLang's; not supported at other values.";
constexpr std::string_view kBudget = "Only with reasoning_budget_tokens.";
constexpr std::string_view kLlama = "llama.cpp's; not supported at other values.";
constexpr std::string_view kRender = "Of vLLM's render endpoints alone.";
constexpr std::string_view kExperts = "Only with return_routed_experts.";
constexpr std::string_view kTgi = "TGI's; not supported at other values.";

// REQUIRES of every entry: at its neutral values the answer is the one without it.
constexpr KnownParameter kTable[] = {
    // OpenAI
    {"tools", "[]", kTools},
    {"tool_choice", R"("none", "auto")", kTools},
    {"parallel_tool_calls", kFlag, "Only with tools."},
    {"functions", "[]", kTools},
    {"function_call", R"("none", "auto")", kTools},
    {"modalities", R"(["text"])", kParts},
    {"audio", kNone, kParts},
    {"prediction", kAny, "A guess at the answer, to be faster by. No answer depends on it."},
    {"moderation", kNone, kOpenAi},
    {"reasoning_effort", R"("none")", kReasoning},
    {"verbosity", R"("medium")", kOpenAi},
    {"web_search_options", kNone, kOpenAi},
    {"service_tier", kAny, "How soon, not what: requests have one tier, see priority."},
    {"store", kFlag, "Nothing is kept, whatever it says."},
    {"suffix", R"("")", "Not supported: text after the completion."},
    {"best_of", "1", kVllm},
    {"random_seed", kNone, "Mistral's name of seed. Not supported here: see seed."},
    {"text", kNone, "SGLang's. Not supported: see prompt."},
    {"sampling_params", kNone, "SGLang's. Not supported: its members belong beside prompt."},

    // vLLM
    {"use_beam_search", "false", kVllm},
    {"length_penalty", "1", kVllm},
    {"early_stopping", "false", kVllm},
    {"logits_processors", "[]", kVllm},
    {"logits_processor_args", "{}", kVllm},
    {"chat_template", kNone, "Not supported: --chat-template is the operator's."},
    {"documents", "[]", kVllm},
    {"mm_processor_kwargs", "{}", kParts},
    {"media_io_kwargs", "{}", kParts},
    {"guided_decoding_backend", kAny, "How, not to what, a text is held."},
    {"guided_whitespace_pattern", kNone, "Not supported: whitespace between JSON's parts is as it is."},
    {"structural_tag", kNone, kConstraint},
    {"kv_transfer_params", "{}", kRouting},
    {"ec_transfer_params", "{}", kRouting},
    {"vllm_xargs", "{}", kVllm},
    {"prompt_embeds", "[]", kVllm},
    {"prompt_is_token_ids", "false", kVllm},
    {"include_reasoning", kFlag, kReasoning},
    {"thinking_token_budget", "-1", kReasoning},
    {"repetition_detection", kNone, kVllm},
    {"truncation_side", R"("left")", "Prompts lose their beginning: see truncate_prompt_tokens."},
    {"output_kind", kAny, "Set by stream."},
    {"detokenize", "true", kVllm},
    {"flat_logprobs", "false", kVllm},
    {"data_parallel_rank", kNone, kRouting},
    {"watermarking", "false", kVllm},
    {"logprob_token_ids", kNone, "Not supported: see logprobs."},
    {"return_prompt_text", "false", "Not supported: see echo and /apply-template."},
    {"return_token_offsets", kFlag, kRender},
    {"return_mm_kwargs", kFlag, kRender},
    {"routed_experts_prompt_start", kAny, kExperts},

    // SGLang, and the routers that add its parameters to every request
    {"no_stop_trim", "false", "Not supported: see include_stop_str_in_output."},
    {"separate_reasoning", kFlag, kReasoning},
    {"stream_reasoning", kFlag, kReasoning},
    {"return_hidden_states", "false", kSglang},
    {"return_routed_experts", "false", kSglang},
    {"return_cached_tokens_details", "false", kSglang},
    {"return_meta_info", "false", kSglang},
    {"return_prompt_token_ids", "false", "Not supported: see return_token_ids."},
    {"return_text_in_logprobs", kFlag, "log-probabilities come with texts."},
    {"logprob_start_len", "-1", kSglang},
    {"top_logprobs_num", "0", "Not supported: see logprobs."},
    {"return_logprob", "false", "Not supported: see logprobs."},
    {"stop_regex", R"("", [])", kSglang},
    {"lora_path", R"("")", kSglang},
    {"lora_id", R"("")", kSglang},
    {"session_params", "{}", kSglang},
    {"custom_logit_processor", R"("")", kSglang},
    {"custom_params", "{}", kSglang},
    {"custom_labels", kAny, "Labels for metrics. No answer depends on them."},
    {"extra_key", kAny, "See cache_salt. No answer depends on it."},
    {"input_ids", kNone, kSglang},
    {"input_embeds", kNone, kSglang},
    {"token_ids_logprob", kNone, kSglang},
    {"sampling_seed", kNone, "Not supported: see seed."},
    {"min_new_tokens", "0", "Not supported: see min_tokens."},
    {"stream_interval", kAny, "How often a stream tells, not what."},
    {"log_metrics", kAny, "No answer depends on it."},
    {"no_logs", kAny, "No answer depends on it."},
    {"require_reasoning", "false", kReasoning},
    {"return_entropy", "false", kSglang},
    {"image_data", "[]", kParts},
    {"video_data", "[]", kParts},
    {"audio_data", "[]", kParts},
    {"max_dynamic_patch", kAny, "Of images, which this server does not take."},
    {"min_dynamic_patch", kAny, "Of images, which this server does not take."},
    {"bootstrap_host", R"("")", kRouting},
    {"bootstrap_port", kNone, kRouting},
    {"bootstrap_room", kNone, kRouting},
    {"routed_dp_rank", kNone, kRouting},
    {"disagg_prefill_dp_rank", kNone, kRouting},
    {"routed_experts_start_len", kAny, kExperts},
    {"ngram_corpus_id", kAny, "How tokens are found, not which. No answer depends on it."},
    {"task", kNone, kSglang},
    {"thinking_budget", kNone, "Not supported here: see thinking_token_budget."},
    {"images_config", "{}", kParts},
    {"use_audio_in_video", kFlag, "Of videos, which this server does not take."},
    {"return_bytes", "false", kSglang},
    {"background", "false", kSglang},

    // llama.cpp
    {"n_predict", "-1", "Not supported: see max_tokens."},
    {"cache_prompt", kFlag, "No answer depends on it."},
    {"id_slot", "-1", "Which slot. No answer depends on it."},
    {"n_keep", "0, -1", kLlama},
    {"n_discard", "0", kLlama},
    {"n_indent", "0", kLlama},
    {"n_cache_reuse", kAny, "No answer depends on it."},
    {"n_probs", "0", "Not supported: see logprobs."},
    {"min_keep", "0, 1", kLlama},
    {"typical_p", "1", kLlama},
    {"typ_p", "1", kLlama},
    {"tfs_z", "1", kLlama},
    {"top_a", "0", kLlama},
    {"top_n_sigma", "-1, 0", kLlama},
    {"repeat_penalty", "1", "Not supported: see repetition_penalty."},
    {"repeat_last_n", kAny, kSampler},
    {"penalize_nl", kFlag, kSampler},
    {"mirostat", "0", kLlama},
    {"mirostat_mode", "0", kLlama},
    {"mirostat_tau", kAny, kSampler},
    {"mirostat_eta", kAny, kSampler},
    {"dynatemp_range", "0", kLlama},
    {"dynatemp_exponent", kAny, kSampler},
    {"dry_multiplier", "0", kLlama},
    {"dry_base", kAny, kSampler},
    {"dry_allowed_length", kAny, kSampler},
    {"dry_penalty_last_n", kAny, kSampler},
    {"dry_sequence_breakers", kAny, kSampler},
    {"xtc_probability", "0", kLlama},
    {"xtc_threshold", kAny, kSampler},
    {"adaptive_target", "-1, -0.01", kLlama},
    {"adaptive_decay", kAny, kSampler},
    {"smoothing_factor", "0", kLlama},
    {"samplers", "[]", kLlama},
    {"grammar_lazy", "false", kConstraint},
    {"grammar_triggers", "[]", kConstraint},
    {"preserved_tokens", "[]", kConstraint},
    {"lora", "[]", kLlama},
    {"timings_per_token", kFlag, "Server-Timing and the end of an answer tell times. No answer depends on it."},
    {"return_progress", kFlag, "Streams tell no progress of prompts. No answer depends on it."},
    {"sse_ping_interval", kAny, "See --keep-alive-period. No answer depends on it."},
    {"verbose", "false", kLlama},
    {"generation_prompt", R"("")", kLlama},
    {"chat_parser", R"("")", kLlama},
    {"return_tokens", "false", "Not supported: see return_token_ids."},
    {"post_sampling_probs", "false", kLlama},
    {"backend_sampling", kFlag, "No answer depends on it."},
    {"t_max_predict_ms", "0, -1", kLlama},
    {"t_max_prompt_ms", "0, -1", kLlama},
    {"response_fields", "[]", kLlama},
    {"multimodal_data", "[]", kParts},
    {"reasoning_format", R"("none", "auto")", kReasoning},
    {"reasoning_budget", "-1, 0", kReasoning},
    {"reasoning_budget_tokens", "-1", kReasoning},
    {"reasoning_budget_message", kAny, kBudget},
    {"reasoning_budget_start_tag", kAny, kBudget},
    {"reasoning_budget_end_tag", kAny, kBudget},
    {"reasoning_budget_end_tags", kAny, kBudget},
    {"reasoning_control", "false", kReasoning},
    {"reasoning_in_content", "false", kReasoning},
    {"thinking_forced_open", "false", kReasoning},
    {"parse_tool_calls", kFlag, "Only with tools."},
    {"speculative.n_max", kAny, "How tokens are found, not which. No answer depends on it."},
    {"speculative.n_min", kAny, "How tokens are found, not which. No answer depends on it."},
    {"speculative.p_min", kAny, "How tokens are found, not which. No answer depends on it."},

    // TGI
    {"adapter_id", R"("")", kTgi},
    {"decoder_input_details", "false", "Not supported: see prompt_logprobs."},
    {"details", "false", kTgi},
    {"top_n_tokens", "0", "Not supported: see logprobs."},
    {"watermark", "false", kTgi},
    {"return_full_text", "false", "Not supported: see echo."},
    {"guideline", R"("")", kTgi},
    {"tool_prompt", R"("")", "Only with tools."},
    {"do_sample", kNone, "Not supported: see temperature."},
    {"max_new_tokens", kNone, "Not supported: see max_tokens."},
    {"max_length", kNone, "Not supported: see max_tokens."},
    {"min_length", "0", "Not supported: see min_tokens."},
    {"stop_sequences", "[]", "Not supported: see stop."},
    {"stopping_strings", "[]", "Not supported: see stop."},
    {"inputs", kNone, "Not supported: see prompt and messages."},
    {"parameters", "{}", "Not supported: its members stand in the request itself."},
    {"truncate", "false", "Not supported: see truncate_prompt_tokens."},
    {"num_beams", "1", kTgi},
    {"no_repeat_ngram_size", "0", kTgi},

    // Ollama
    {"format", R"("")", "Not supported: see response_format."},
    {"options", "{}", "Not supported: its members stand in the request itself."},
    {"num_predict", "-1, -2", "Not supported: see max_tokens."},
    {"system", R"("")", "Not supported: see messages."},
    {"template", R"("")", "Not supported: --chat-template is the operator's."},
    {"context", "[]", "Not supported."},
    {"raw", "false", "Not supported: see prompt."},
    {"images", "[]", kParts},
    {"think", "false", kReasoning},

    // OpenAI's Responses
    {"max_output_tokens", kNone, "Not supported: see max_tokens."},
    {"instructions", R"("")", "Not supported: see messages."},
    {"input", kNone, "Not supported: see prompt and messages."},

    // LiteLLM, and what the clients of many providers add
    {"thinking", R"({"type": "disabled"})", kReasoning},
    {"reasoning", R"({"effort": "none"}, {"enabled": false}, {})", kReasoning},
    {"enable_thinking", "false", "Not supported: see chat_template_kwargs."},
    {"cache_control", kAny, "A hint. No answer depends on it."},
    {"extra_headers", "{}", "Belongs into the request's headers."},
    {"num_retries", kAny, "The client's own business. No answer depends on it."},
    {"max_retries", kAny, "The client's own business. No answer depends on it."},
    {"request_timeout", kAny, "The client's own business. No answer depends on it."},
    {"timeout", kAny, "The client's own business. No answer depends on it."},
    {"drop_params", kAny, "The client's own business. No answer depends on it."},
    {"additional_drop_params", kAny, "The client's own business. No answer depends on it."},
    {"allowed_openai_params", kAny, "The client's own business. No answer depends on it."},
    {"custom_llm_provider", kAny, "The client's own business. No answer depends on it."},
    {"caching", kAny, "The client's own business. No answer depends on it."},
    {"litellm_metadata", kAny, "Nothing is kept. No answer depends on it."},
    {"litellm_session_id", kAny, "Nothing is kept. No answer depends on it."},
    {"litellm_trace_id", kAny, "Nothing is kept. No answer depends on it."},
    {"litellm_call_id", kAny, "Nothing is kept. No answer depends on it."},
    {"tags", kAny, "Nothing is kept. No answer depends on it."},
    {"guardrails", "[]", "Not supported."},
    {"fallbacks", "[]", kRouting},
    {"safe_mode", "false", "Not supported."},
    {"safe_prompt", "false", "Not supported."},
};

constexpr std::string_view kOurs = "Not supported here: see /v1/completions.";
constexpr std::string_view kLength = "Not supported: this API has a name of its own for it.";

constexpr KnownParameter kOpenAiTable[] = {
    {"messages", kNone, "Not supported: this API has a name of its own for it."},
    {"prompt", R"("")", "Not supported: this API has a name of its own for it."},
    {"max_tokens", kNone, kLength},
    {"max_completion_tokens", kNone, kLength},
    {"n", "1", kOurs},
    {"n_cmpl", "1", kOurs},
    {"presence_penalty", "0", kOurs},
    {"frequency_penalty", "0", kOurs},
    {"repetition_penalty", "1", kOurs},
    {"min_p", "0", kOurs},
    {"logit_bias", "{}, []", kOurs},
    {"min_tokens", "0", kOurs},
    {"allowed_token_ids", kNone, kOurs},
    {"bad_words", "[]", kOurs},
    {"stop_token_ids", "[]", kOurs},
    {"ignore_eos", "false", kOurs},
    {"include_stop_str_in_output", "false", kOurs},
    {"skip_special_tokens", "true", kOurs},
    {"spaces_between_special_tokens", kFlag, "Special tokens are skipped."},
    {"add_special_tokens", "true", kOurs},
    {"truncate_prompt_tokens", kNone, kOurs},
    {"prompt_logprobs", kNone, kOurs},
    {"logprobs", "false", kOurs},
    {"top_logprobs", "0", kOurs},
    {"echo", "false", kOurs},
    {"return_token_ids", "false", kOurs},
    {"return_tokens_as_token_ids", "false", kOurs},
    {"cache_salt", R"("")", kOurs},
    {"prompt_cache_key", kAny, "A hint. No answer depends on it."},
    {"prompt_cache_retention", kAny, "A hint. No answer depends on it."},
    {"prompt_cache_options", kAny, "A hint. No answer depends on it."},
    {"session_id", kAny, "A hint. No answer depends on it."},
    {"metadata", kAny, "Nothing is kept. No answer depends on it."},
    {"safety_identifier", kAny, "Who asks. No answer depends on it."},
    {"chat_template_kwargs", "{}", kOurs},
    {"add_generation_prompt", "true", kOurs},
    {"continue_final_message", "false", kOurs},
    {"response_format", R"({"type": "text"})", kOurs},
    {"structured_outputs", kNone, kOurs},
    {"guided_json", R"("")", kOurs},
    {"guided_regex", R"("")", kOurs},
    {"guided_choice", kNone, kOurs},
    {"guided_grammar", R"("")", kOurs},
    {"regex", R"("")", kOurs},
    {"ebnf", R"("")", kOurs},
    {"json_schema", R"("", {})", kOurs},
    {"grammar", R"("")", kOurs},
    {"stream_options", kAny, "Every stream tells its usage."},
};

}  // namespace

std::span<const KnownParameter> KnownParameters() { return kTable; }
std::span<const KnownParameter> OpenAiParameters() { return kOpenAiTable; }

std::vector<boost::json::value> NeutralValues(const KnownParameter& known) {
  const boost::json::value list = boost::json::parse(absl::StrCat("[", std::string(known.neutral), "]"));
  return {list.get_array().begin(), list.get_array().end()};
}

}  // namespace batucada
