#include "server/openai/reasoning_parameters.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = CompletionParams;

constexpr std::array<std::string_view, 7> kEfforts = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};

constexpr std::array<std::string_view, 6> kFormats = {"auto", "deepseek", "parsed", "none", "raw", "hidden"};

// LiteLLM's and Anthropic's: {"type": "enabled", "budget_tokens": …}
void ReadThinking(RequestReader& reader, Params& params) {
  const bj::value* value = reader.Take("thinking");
  if (value == nullptr) return;
  if (!value->is_object()) {
    return reader.Fail("thinking", fmt::format("must be an object, not {}", DescribeJson(*value)));
  }
  RequestReader members(value->get_object(), "thinking.", reader);
  std::string type;
  members.Read("type", &type);
  ReadBudget(members, "budget_tokens", params);
  members.Take("display");
  if (members.ok() && type != "enabled" && type != "disabled" && type != "adaptive") {
    members.Fail("type", "must be one of enabled, disabled, adaptive", "invalid_value");
  }
  reader.Fail(members.Finish());
  if (reader.ok() && params.conversation) SetThinking("thinking.type", type != "disabled", params);
}

// OpenRouter's: {"effort": …, "max_tokens": …, "enabled": …, "exclude": …}
void ReadReasoning(RequestReader& reader, Params& params) {
  const bj::value* value = reader.Take("reasoning");
  if (value == nullptr) return;
  if (!value->is_object()) {
    return reader.Fail("reasoning", fmt::format("must be an object, not {}", DescribeJson(*value)));
  }
  RequestReader members(value->get_object(), "reasoning.", reader);
  std::string effort;
  std::optional<bool> enabled;
  bool exclude = false;
  members.Read("effort", &effort);
  members.Read("enabled", &enabled);
  members.Read("exclude", &exclude);
  ReadBudget(members, "max_tokens", params);
  reader.Fail(members.Finish());
  if (!reader.ok() || !params.conversation) return;
  if (enabled.value_or(false) && effort == "none") {
    return FailContradiction(reader, "reasoning.enabled", "reasoning.effort");
  }
  if (enabled) SetThinking("reasoning.enabled", *enabled, params);
  if (exclude) params.tells_thinking = false;
  SetEffort(reader, "reasoning.effort", effort, params);
}

// llama.cpp's and Groq's.
void ReadReasoningFormat(RequestReader& reader, Params& params) {
  std::string format;
  reader.Read("reasoning_format", &format);
  if (format.empty() || !reader.ok()) return;
  if (std::find(kFormats.begin(), kFormats.end(), format) == kFormats.end()) {
    return reader.Fail("reasoning_format",
                       fmt::format("is {}, which is not supported by this server: it must be one of {}",
                                   Printable(format), fmt::join(kFormats, ", ")),
                       "unsupported_parameter");
  }
  if (format == "none" || format == "raw") params.splits_thinking = false;
  if (format == "hidden") params.tells_thinking = false;
}

}  // namespace

void CheckEffort(RequestReader& reader, std::string_view name, const std::string& effort) {
  if (effort.empty() || !reader.ok()) return;
  if (std::find(kEfforts.begin(), kEfforts.end(), effort) == kEfforts.end()) {
    reader.Fail(name, fmt::format("must be one of {}", fmt::join(kEfforts, ", ")), "invalid_value");
  }
}

void FailContradiction(RequestReader& reader, std::string_view enabled, std::string_view effort) {
  reader.Fail(enabled, fmt::format("is true and {} is none: give one of them", effort), "invalid_value");
}

void SetEffort(RequestReader& reader, std::string_view name, const std::string& effort, Params& params) {
  if (effort.empty() || !params.conversation) return;
  CheckEffort(reader, name, effort);
  if (!reader.ok()) return;
  SetThinking(name, effort != "none", params);
  params.conversation->thinking.emplace("reasoning_effort", effort);
}

void ReadBudget(RequestReader& reader, std::string_view name, CompletionParams& params) {
  std::optional<int64_t> budget;
  reader.Read(name, &budget);
  if (!budget || *budget == -1 || !reader.ok()) return;
  if (*budget < 0) {
    return reader.Fail(name, fmt::format("is {}: it must be at least 0, or -1 for no bound", *budget), "invalid_value");
  }
  params.thinking_tokens = budget;
}

void SetThinking(std::string_view name, bool on, CompletionParams& params) {
  if (params.names.thinking.empty()) params.names.thinking = name;
  for (const char* variable : {"enable_thinking", "thinking"}) params.conversation->thinking.emplace(variable, on);
}

void AddReasoningParameters(CompletionTable& table) {
  bj::object effort =
      StringSchema("For the template, as the variable reasoning_effort; none: enable_thinking is false.");
  bj::array efforts;
  for (const std::string_view one : kEfforts) efforts.push_back(bj::string(one.data(), one.size()));
  effort["enum"] = std::move(efforts);
  table.AddReadPresent("reasoning_effort", std::move(effort), [](RequestReader& reader, Params& params) {
    std::string asked;
    reader.Read("reasoning_effort", &asked);
    SetEffort(reader, "reasoning_effort", asked, params);
  });
  table.AddReadPresent("enable_thinking", BooleanSchema("For the template, as in chat_template_kwargs."),
                       [](RequestReader& reader, Params& params) {
                         std::optional<bool> asked;
                         reader.Read("enable_thinking", &asked);
                         if (asked && params.conversation) SetThinking("enable_thinking", *asked, params);
                       });
  table.Add("include_reasoning", BooleanSchema("Tell what the model thinks, and not only what it answers.", true),
            &Params::tells_thinking);
  table.Add(
      "separate_reasoning",
      BooleanSchema("Tell what the model thinks apart from the content; false: in it, as the model wrote it.", true),
      &Params::splits_thinking);
  bj::object format = StringSchema(
      "auto, deepseek, parsed: as without it; none, raw: as separate_reasoning false; hidden: as "
      "include_reasoning false.");
  bj::array formats;
  for (const std::string_view one : kFormats) formats.push_back(bj::string(one.data(), one.size()));
  format["enum"] = std::move(formats);
  table.AddReadPresent("reasoning_format", std::move(format), ReadReasoningFormat);
  table.AddReadPresent(
      "thinking_token_budget",
      IntegerSchema("After so many tokens of thinking the answer begins; -1: no bound.", {.min = -1}),
      [](RequestReader& reader, Params& params) { ReadBudget(reader, "thinking_token_budget", params); });
  table.AddReadPresent("thinking_budget", IntegerSchema("SGLang's name of thinking_token_budget.", {.min = -1}),
                       [](RequestReader& reader, Params& params) { ReadBudget(reader, "thinking_budget", params); });
  const bj::object count = Nullable(IntegerSchema("As thinking_token_budget.", {.min = -1}));
  table.AddReadPresent(
      "thinking",
      ObjectSchema("LiteLLM's way to say it.",
                   {{"type", StringSchema("enabled, disabled or adaptive.")}, {"budget_tokens", count}}),
      ReadThinking);
  table.AddReadPresent(
      "reasoning",
      ObjectSchema("OpenRouter's way to say it.", {{"effort", Nullable(StringSchema("As reasoning_effort."))},
                                                   {"enabled", Nullable(BooleanSchema("As enable_thinking."))},
                                                   {"exclude", Nullable(BooleanSchema("Not include_reasoning."))},
                                                   {"max_tokens", count}}),
      ReadReasoning);
}

}  // namespace batucada
