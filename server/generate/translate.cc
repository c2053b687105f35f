#include "server/generate/translate.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/splitmix.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/grammar_constraint.h"
#include "engine/session_states.h"
#include "engine/thinking_budget.h"
#include "server/common/asked_model.h"
#include "server/common/error.h"
#include "server/common/shortest_double.h"
#include "server/generate/answer_plan.h"
#include "server/generate/check_range.h"
#include "server/generate/generation_defaults.h"
#include "server/generate/logit_controls.h"
#include "server/generate/prompt_encoder.h"
#include "server/generate/session_name.h"
#include "server/generate/work_attempt.h"
#include "text/breakpoints.h"
#include "text/detokenizer.h"

namespace batucada {
namespace {

absl::Status TranslateSampling(const SamplingOverrides& asked, SamplingParams* sampling) {
  for (const SamplingField& field : kSamplingFields) {
    BATUCADA_RETURN_IF_ERROR(CheckSampling(field, asked));
    ApplySampling(field, asked, sampling);
  }
  return absl::OkStatus();
}

absl::Status TranslateGrammar(const std::optional<GrammarSpec>& grammar_spec, const CompletionParams& params,
                              const TranslationContext& context, Request* request) {
  if (!grammar_spec) return absl::OkStatus();
  const std::string& name = grammar_spec->name;
  // Neither could be held to.
  if (params.ignore_eos) {
    return InvalidParameter("ignore_eos", fmt::format("ignore_eos is true beside {}: its text has an end", name));
  }
  if (const int64_t least = params.min_tokens.value_or(0); least > 0) {
    return InvalidParameter("min_tokens", fmt::format("min_tokens is {} beside {}: its text ends where it is whole, "
                                                      "leave one of them out",
                                                      least, name));
  }
  // One of a kilobyte may take as long as a prompt of megabytes.
  if (WorkAttempt::Defer()) return absl::UnavailableError("grammars are compiled by the work pool");
  BATUCADA_CHECK(context.grammars != nullptr);
  GrammarSpec spec = *grammar_spec;
  spec.scope = request->cache_scope;
  absl::StatusOr<std::shared_ptr<const Grammar>> grammar = context.grammars->Compile(spec);
  if (!grammar.ok()) return GrammarFault(spec, params, std::string(grammar.status().message()));
  request->constraint = MakeConstraint(*std::move(grammar));
  return absl::OkStatus();
}

absl::Status TranslateStops(const CompletionParams& params, const TranslationContext& context, Request* request) {
  BATUCADA_RETURN_IF_ERROR(CheckCount("stop", params.stop.size(), context.limits.max_stop_strings, "strings"));
  for (size_t i = 0; i < params.stop.size(); ++i) {
    if (params.stop[i].empty()) {
      return InvalidParameter(fmt::format("stop[{}]", i), fmt::format("stop[{}] is empty: it would end every text", i));
    }
    if (static_cast<int64_t>(params.stop[i].size()) > kMaxStopStringBytes) {
      return InvalidParameter(fmt::format("stop[{}]", i), fmt::format("stop[{}] has {} bytes: at most {}", i,
                                                                      params.stop[i].size(), kMaxStopStringBytes));
    }
  }
  BATUCADA_RETURN_IF_ERROR(CheckCount("stop_token_ids", params.stop_token_ids.size(), kMaxStopTokenIds, "ids"));
  BATUCADA_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                            ToTokenIds(params.stop_token_ids, "stop_token_ids", context.vocab_size));
  request->stop_token_ids = std::move(ids);
  if (!params.stop.empty()) request->stop = params.stop;
  request->ignore_eos = params.ignore_eos;
  request->include_stop_in_text = params.include_stop;
  request->skip_special_tokens = params.skip_special_tokens;
  return absl::OkStatus();
}

absl::Status TranslateLogprobs(const CompletionParams& params, Request* request) {
  if (params.logprobs) {
    BATUCADA_RETURN_IF_ERROR(CheckParameter(params.names.logprobs, *params.logprobs, 0, kMaxLogprobs));
    request->logprobs = static_cast<int32_t>(*params.logprobs);
    if (params.echo) request->prompt_logprobs = request->logprobs;
  }
  if (params.prompt_logprobs) {
    BATUCADA_RETURN_IF_ERROR(CheckParameter("prompt_logprobs", *params.prompt_logprobs, 0, kMaxLogprobs));
    request->prompt_logprobs =
        std::max(static_cast<int32_t>(*params.prompt_logprobs), request->prompt_logprobs.value_or(0));
  }
  return absl::OkStatus();
}

// More than fits with any prompt is the fault that clients know by OpenAI's words. Where it is an upper bound alone, it
// is cut to what there is room for.
absl::Status CheckMaxTokens(const CompletionParams& params, int64_t least, const TranslationContext& context) {
  const std::string& name = params.names.max_tokens;
  const int64_t asked = *params.max_tokens, most = context.max_total_tokens;
  if (asked < least) {
    return InvalidParameter(name, fmt::format("{} is {}: it must be {} to {}", name, asked, least, most));
  }
  if (asked <= most || params.open_ended) return absl::OkStatus();
  return InvalidParameter(name,
                          fmt::format("This model's maximum context length is {} tokens. However, {} is {}. Please "
                                      "reduce {}.",
                                      most, name, asked, name),
                          "context_length_exceeded");
}

// Clients know this fault by OpenAI's words for it, or by Anthropic's.
absl::Status CheckLength(const Request& request, const std::string& name, const CompletionParams& params,
                         const TranslationContext& context) {
  const int64_t prompt = static_cast<int64_t>(request.prompt.size()), total = context.max_total_tokens;
  const int64_t most = context.limits.max_prompt_tokens;
  const bool beyond = most > 0 && prompt > most;
  if (!beyond && prompt <= total && request.max_tokens <= total - prompt) return absl::OkStatus();
  const std::string& max_tokens = params.names.max_tokens;
  const bool prompt_alone = beyond || prompt >= total;
  std::string told;
  if (params.names.anthropic && prompt_alone) {
    told = fmt::format("prompt is too long: {} tokens > {} maximum", prompt, beyond ? most : total - 1);
  } else if (beyond) {
    told = fmt::format(
        "This model's maximum context length is {} tokens for a prompt. However, {} has {} tokens. Please reduce its "
        "length.",
        most, name, prompt);
  } else {
    told = fmt::format(
        "This model's maximum context length is {} tokens. However, you requested {} tokens ({} in {}, {} by {}). "
        "Please reduce the length of {} or {}.",
        total, prompt + request.max_tokens, prompt, name, request.max_tokens, max_tokens, name, max_tokens);
  }
  return InvalidParameter(prompt_alone ? name : max_tokens, std::move(told), "context_length_exceeded");
}

// Tokens that may be generated behind a prompt; 1 if it leaves none, which CheckLength refuses.
int64_t Room(size_t prompt_tokens, const TranslationContext& context) {
  return std::max<int64_t>(context.max_total_tokens - static_cast<int64_t>(prompt_tokens), 1);
}

// What the model's authors say. Else a conversation goes on until the model ends it, but not for ever; a completion is
// short unless it asks for more.
int64_t DefaultMaxTokens(const CompletionParams& params, size_t prompt_tokens, const TranslationContext& context) {
  const int64_t room = Room(prompt_tokens, context);
  const std::optional<int64_t> own = context.defaults.MostTokens(static_cast<int64_t>(prompt_tokens));
  if (own) return std::min(*own, room);
  if (!params.conversation && !params.open_ended) return kDefaultMaxTokens;
  return std::clamp<int64_t>(room, 1, context.limits.default_max_tokens);
}

// Keeps the end of a longer prompt: what the text is to go on from. -1: as much as max_tokens leave room for, as vLLM
// (0.11) reads it.
void Truncate(const CompletionParams& params, int64_t max_total_tokens, SharedArray<int32_t>* ids) {
  if (!params.truncate_prompt_tokens) return;
  const int64_t asked = *params.truncate_prompt_tokens;
  const int64_t room = std::max<int64_t>(max_total_tokens - params.max_tokens.value_or(kDefaultMaxTokens), 1);
  const auto keep = static_cast<size_t>(asked == -1 ? room : asked);
  if (ids->size() > keep) *ids = std::vector<int32_t>(ids->end() - static_cast<std::ptrdiff_t>(keep), ids->end());
}

absl::Status CheckPrompts(const CompletionParams& params, const TranslationContext& context) {
  if (params.truncate_prompt_tokens && *params.truncate_prompt_tokens != -1) {
    const int64_t asked = *params.truncate_prompt_tokens, most = context.max_total_tokens;
    if (asked < 1 || asked > most) {
      return InvalidParameter(
          "truncate_prompt_tokens",
          fmt::format("truncate_prompt_tokens is {}: it must be 1 to {}, or -1 for as many as there "
                      "is room for",
                      asked, most));
    }
  }
  if (params.conversation) return absl::OkStatus();
  const std::string& name = params.names.prompt;
  if (params.prompts.empty()) return InvalidParameter(name, name + " is missing", "missing_parameter");
  if (static_cast<int64_t>(params.prompts.size()) <= context.limits.max_prompts) return absl::OkStatus();
  return InvalidParameter(name, fmt::format("{} has {} prompts: at most {} in one request", name, params.prompts.size(),
                                            context.limits.max_prompts));
}

absl::Status TranslateCache(const CompletionParams& params, const TranslationContext& context, Request* request) {
  if (params.cache_salt.size() > kMaxCacheSaltBytes) {
    return InvalidParameter("cache_salt", fmt::format("cache_salt has {} bytes; it may have at most {}",
                                                      params.cache_salt.size(), kMaxCacheSaltBytes));
  }
  const CacheHints& hints = params.cache;
  const std::pair<const char*, const std::string&> names[] = {{"session_id", hints.session},
                                                              {"prompt_cache_key", hints.key}};
  for (const auto& [parameter, name] : names) BATUCADA_RETURN_IF_ERROR(CheckSessionName(parameter, name));
  request->cache_scope = CacheScope(context, params.cache_salt);
  request->only_breakpoints = hints.only_breakpoints;
  request->keep_off_disk = hints.keep_off_disk;
  request->session = hints.session.empty() ? hints.key : hints.session;
  request->session_owner = context.client.key;
  return absl::OkStatus();
}

std::string EchoText(const CompletionParams& params, size_t prompt, const std::vector<int32_t>& ids,
                     const Tokenizer& tokenizer) {
  if (!EchoesText(params, prompt)) return tokenizer.DecodeOpen(ids, params.skip_special_tokens);
  std::string text = std::get<std::string>(params.prompts[prompt]);
  // What the completion will begin with is not told twice.
  Detokenizer detokenizer(tokenizer, params.skip_special_tokens);
  detokenizer.Follow(ids);
  if (text.ends_with(detokenizer.held())) text.resize(text.size() - detokenizer.held().size());
  return text;
}

// Of all choices together, where the operator says nothing.
constexpr int64_t kMaxGeneratedTokens = 1 << 20;

// What one request may make the server do, however many prompts and choices it has.
absl::Status CheckGenerated(const Translation& translation, const CompletionParams& params,
                            const TranslationContext& context) {
  const int64_t set = context.limits.max_generated_tokens;
  const int64_t most = set > 0 ? set : std::max(kMaxGeneratedTokens, context.max_total_tokens);
  int64_t tokens = 0;  // no overflow: a few thousand prompts and choices, of 2^30 tokens at most
  for (const Request& request : translation.requests) tokens += request.max_tokens * translation.choices_per_prompt;
  if (tokens <= most) return absl::OkStatus();
  return InvalidParameter(
      params.names.max_tokens,
      fmt::format(
          "{} choices ask for {} tokens together: at most {} in one request (--max-generated-tokens). Lower {}, "
          "or send fewer prompts or choices",
          translation.choices(), tokens, most, params.names.max_tokens));
}

uint64_t NewGroup() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

// Of 32 bits without the highest: an answer that tells it can be asked for again by every client, whatever its numbers
// are, and by llama.cpp's, to whom 2^32 - 1 means random.
uint64_t RandomSeed() {
  thread_local std::mt19937_64 generator{(uint64_t{std::random_device{}()} << 32) ^ std::random_device{}()};
  return generator() >> 33;
}

}  // namespace

std::string CacheScope(const TranslationContext& context, std::string_view salt) {
  // A key's requests never meet another's, whatever salt they bring.
  const uint64_t owner = context.prefix_cache_scope == PrefixCacheScope::kKey ? context.client.key : 0;
  return Concat(absl::Hex(owner), ":", salt);
}

bool EchoesText(const CompletionParams& params, size_t prompt) {
  return std::holds_alternative<std::string>(params.prompts[prompt]) && !params.truncate_prompt_tokens;
}

uint64_t ChoiceSeed(uint64_t seed, int32_t choice) {
  if (choice == 0) return seed;
  // Outputs for consecutive states are as good as independent.
  return SplitMix(seed + static_cast<uint64_t>(choice - 1) * kSplitMixStep);
}

namespace {

// What leaves the fewest tokens to draw.
std::string NarrowingOf(const CompletionParams& params) {
  const char* name = params.allowed_token_ids     ? "allowed_token_ids"
                     : !params.bad_words.empty()  ? "bad_words"
                     : !params.logit_bias.empty() ? "logit_bias"
                     : params.min_tokens          ? "min_tokens"
                                                  : nullptr;
  if (name == nullptr) return params.grammar ? params.grammar->name : "";
  return ErrorParameter(InClientsWords(InvalidParameter(name, ""), params.names));
}

absl::StatusOr<Translation> TranslateAll(const CompletionParams& params, const TranslationContext& context) {
  Translation translation;
  BATUCADA_ASSIGN_OR_RETURN(translation.model, ResolveModel(params.model, context.model_names));
  const int64_t n = params.n.value_or(1);
  BATUCADA_RETURN_IF_ERROR(CheckParameter("n", n, 1, context.limits.max_choices));
  const int64_t best_of = params.best_of.value_or(n);
  BATUCADA_RETURN_IF_ERROR(CheckParameter("best_of", best_of, n, context.limits.max_choices));
  translation.choices_per_prompt = static_cast<int32_t>(best_of);
  translation.kept_per_prompt = static_cast<int32_t>(n);
  BATUCADA_RETURN_IF_ERROR(CheckPrompts(params, context));

  Request request;
  ApplyModelDefaults(context.defaults, params, &request);
  BATUCADA_RETURN_IF_ERROR(TranslateSampling(params, &request.sampling));
  translation.temperature = params.temperature ? *params.temperature : ShortestDouble(request.sampling.temperature);
  translation.top_p = params.top_p ? *params.top_p : ShortestDouble(request.sampling.top_p);
  BATUCADA_RETURN_IF_ERROR(TranslateStops(params, context, &request));
  BATUCADA_RETURN_IF_ERROR(TranslateLogprobs(params, &request));
  if (best_of > n && !request.logprobs) request.logprobs = 0;  // what the best are known by
  BATUCADA_RETURN_IF_ERROR(TranslateLogitControls(params, context, &request));
  BATUCADA_RETURN_IF_ERROR(AddModelBans(context.defaults, &request));
  if (params.max_tokens) {
    // A conversation cannot only be scored.
    const int64_t least = params.conversation ? 1 : 0;
    BATUCADA_RETURN_IF_ERROR(CheckMaxTokens(params, least, context));
    if (*params.max_tokens == 0 && !request.prompt_logprobs) {
      if (!params.echo) {
        return InvalidParameter(
            params.names.max_tokens,
            fmt::format("{} is 0: that only answers with the prompt, or scores it, with echo or prompt_logprobs; "
                        "otherwise it must be at least 1",
                        params.names.max_tokens));
      }
      request.prompt_logprobs = 0;  // there is no other work, and nobody is told
    }
  }
  BATUCADA_RETURN_IF_ERROR(CheckParameter("priority", params.priority.value_or(0), kMostUrgent, kLeastUrgent));
  // Raised rather than refused: what a client asks for works with any key, and is as urgent as its key allows.
  request.priority = std::max(static_cast<Priority>(params.priority.value_or(0)), context.client.rights.most_urgent);
  request.client = context.client.id();
  request.group = NewGroup();
  BATUCADA_RETURN_IF_ERROR(TranslateCache(params, context, &request));
  request.deadline = params.deadline;
  if (context.limits.max_time > absl::ZeroDuration()) {
    request.deadline = std::min(request.deadline, ProcessNow() + context.limits.max_time);
  }
  AnswerPlan plan = {.grammar = params.grammar};
  std::vector<int32_t> conversation;
  std::vector<int64_t> breakpoints;
  if (params.conversation) {
    const std::string& name = params.names.prompt;
    BATUCADA_ASSIGN_OR_RETURN(const std::string text,
                              RenderConversation(*params.conversation, params.names, context.chat_template));
    BATUCADA_ASSIGN_OR_RETURN(plan, PlanAnswer(params, text, context));
    const EncodeOptions options{.add_special_tokens = params.add_special_tokens.value_or(false),
                                .memory = context.token_memory,
                                .owner = request.cache_scope};
    BATUCADA_ASSIGN_OR_RETURN(conversation, EncodePromptText(text, name, options, context.tokenizer));
    breakpoints = BreakpointTokens(FindBreakpoints(*params.conversation, text, *context.chat_template), text,
                                   conversation, context.tokenizer);
  }
  translation.answer = std::move(plan.form);
  request.shown_special_tokens = std::move(plan.shown_special_tokens);
  BATUCADA_RETURN_IF_ERROR(TranslateGrammar(plan.grammar, params, context, &request));
  if (params.thinking_tokens && translation.answer != nullptr && translation.answer->thinking) {
    request.constraint = BoundThinking({.marks = *translation.answer->thinking,
                                        .start = translation.answer->thinking_start,
                                        .tokens = *params.thinking_tokens},
                                       context.tokenizer, std::move(request.constraint));
  }
  request.sampling.seed = params.seed ? static_cast<uint64_t>(*params.seed) : RandomSeed();

  const size_t prompts = params.conversation ? 1 : params.prompts.size();
  translation.requests.reserve(prompts);
  for (size_t p = 0; p < prompts; ++p) {
    const std::string name = prompts == 1 ? params.names.prompt : fmt::format("{}[{}]", params.names.prompt, p);
    const EncodeOptions options{.add_special_tokens = params.add_special_tokens.value_or(true),
                                .memory = context.token_memory,
                                .owner = request.cache_scope};
    if (params.conversation) {
      request.prompt = std::move(conversation);
    } else {
      BATUCADA_ASSIGN_OR_RETURN(request.prompt, EncodePrompt(params.prompts[p], name, options, context));
    }
    const size_t whole = request.prompt.size();
    Truncate(params, context.max_total_tokens, &request.prompt);
    if (params.conversation && request.prompt.size() == whole) request.breakpoints = std::move(breakpoints);
    request.max_tokens = params.max_tokens.value_or(DefaultMaxTokens(params, request.prompt.size(), context));
    if (params.open_ended) request.max_tokens = std::min(request.max_tokens, Room(request.prompt.size(), context));
    ApplyLeastLength(context.defaults, params, &request);
    BATUCADA_RETURN_IF_ERROR(CheckLength(request, name, params, context));
    BATUCADA_RETURN_IF_ERROR(CheckParameter("min_tokens", request.sampling.min_tokens, 0, request.max_tokens));
    if (params.echo) translation.prompt_text.push_back(EchoText(params, p, request.prompt.vector(), context.tokenizer));
    if (p + 1 < prompts) {
      translation.requests.push_back(request);
    } else {
      translation.requests.push_back(std::move(request));
    }
  }
  BATUCADA_RETURN_IF_ERROR(CheckGenerated(translation, params, context));
  return translation;
}

}  // namespace

absl::Status InClientsWords(absl::Status status, const ParameterNames& names) {
  const std::string parameter = ErrorParameter(status);
  if (parameter.empty()) return status;
  const std::pair<std::string, std::string>* best = nullptr;  // "stop_token_ids[0]" before "stop_token_ids"
  for (const auto& name : names.others) {
    const bool meant = parameter.starts_with(name.first) &&
                       (parameter.size() == name.first.size() || parameter[name.first.size()] == '[' ||
                        parameter[name.first.size()] == '.');
    if (meant && (best == nullptr || name.first.size() >= best->first.size())) best = &name;
  }
  return best == nullptr ? status : RenameParameter(status, best->first, best->second);
}

// Whoever writes a refusal down is told the model that was asked for.
absl::StatusOr<Translation> Translate(const CompletionParams& params, const TranslationContext& context) {
  absl::StatusOr<Translation> translation = TranslateAll(params, context);
  if (!translation.ok()) return WithAskedModel(InClientsWords(translation.status(), params.names), params.model);
  translation->narrowing = NarrowingOf(params);
  return translation;
}

}  // namespace batucada
