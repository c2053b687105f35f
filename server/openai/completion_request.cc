#include "server/openai/completion_request.h"

#include <limits>
#include <utility>

#include <fmt/format.h>

#include "server/generate/translate.h"
#include "server/openai/grammar_parameters.h"
#include "server/openai/known_parameters.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = CompletionParams;

// Ids of a token list; false, with the error recorded, if one is not a token id.
bool ReadIds(RequestReader& reader, std::string_view name, const bj::array& list, std::vector<int32_t>* ids) {
  ids->reserve(list.size());
  for (const bj::value& element : list) {
    const int64_t* plain = element.if_int64();
    const std::optional<int64_t> id = plain != nullptr ? *plain : AsInteger(element);
    if (!id || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
      reader.Fail(fmt::format("{}[{}]", name, ids->size()),
                  fmt::format("must be a token id, not {}", DescribeJson(element)));
      return false;
    }
    ids->push_back(static_cast<int32_t>(*id));
  }
  return true;
}

}  // namespace

void ReadPrompts(RequestReader& reader, Params& params) {
  constexpr std::string_view kName = "prompt";
  if (std::optional<std::vector<int32_t>> ids = reader.TakeIds(kName)) {
    params.prompts.emplace_back(*std::move(ids));
    return;
  }
  const bj::value* value = reader.Take(kName);
  if (!reader.ok()) return;
  if (value == nullptr)
    return reader.Fail(kName, "is missing: give a string or a list of token ids", "missing_parameter");
  ReadPromptsOf(reader, kName, *value, &params.prompts);
}

void ReadPromptsOf(RequestReader& reader, std::string_view name, const bj::value& value, std::vector<Prompt>* prompts) {
  if (value.is_string()) {
    prompts->emplace_back(std::string(value.get_string().data(), value.get_string().size()));
    return;
  }
  if (!value.is_array()) {
    return reader.Fail(name, fmt::format("must be a string, a list of strings, a list of token ids or a list of such "
                                         "lists, not {}",
                                         DescribeJson(value)));
  }
  const bj::array& list = value.get_array();
  if (list.empty()) return reader.Fail(name, "is an empty list", "invalid_value");
  if (list.front().is_number()) {
    std::vector<int32_t> ids;
    if (ReadIds(reader, name, list, &ids)) prompts->emplace_back(std::move(ids));
    return;
  }
  for (const bj::value& element : list) {
    const std::string one = fmt::format("{}[{}]", name, prompts->size());
    if (element.is_string()) {
      prompts->emplace_back(std::string(element.get_string().data(), element.get_string().size()));
    } else if (element.is_array()) {
      std::vector<int32_t> ids;
      if (!ReadIds(reader, one, element.get_array(), &ids)) return;
      prompts->emplace_back(std::move(ids));
    } else {
      return reader.Fail(one, fmt::format("must be a string or a list of token ids, not {}", DescribeJson(element)));
    }
  }
}

bj::object PromptSchema() {
  const bj::object text = StringSchema(""), id = IntegerSchema("", {.min = 0});
  bj::object ids = ArraySchema("", id);
  ids["minItems"] = 1;
  bj::object many = ArraySchema("", AnyOfSchema("", {text, ids}));
  many["minItems"] = 1;
  return AnyOfSchema("A text, token ids, or a list of either; at most --max-prompts. Ids are used as they are.",
                     {text, ids, many});
}

namespace {

void ReadBestOf(RequestReader& reader, Params& params) {
  std::optional<int64_t> best_of;
  reader.Read("best_of", &best_of);
  const int64_t n = params.n.value_or(1);
  if (!best_of || *best_of == n) return;
  if (*best_of < n) {
    return reader.Fail("best_of", fmt::format("is {} and n is {}: it must be at least n", *best_of, n),
                       "invalid_value");
  }
  if (params.stream) {
    return reader.Fail(
        "best_of",
        fmt::format("is {} and n is {}: with \"stream\": true only best_of equal to n can be, for the best "
                    "are known at the end",
                    *best_of, n),
        "unsupported_parameter");
  }
  params.best_of = best_of;
}

// Chat's false, which asks for nothing here either.
void ReadCompletionLogprobs(RequestReader& reader, Params& params) {
  const bj::value* value = reader.Take("logprobs");
  if (value == nullptr || (value->is_bool() && !value->get_bool())) return;
  reader.Read("logprobs", &params.logprobs);
}

CompletionTable MakeCompletionTable() {
  CompletionTable table;
  table.AddRead("prompt", PromptSchema(), ReadPrompts, CompletionTable::Presence::kRequired);
  table.ReadApart("prompt");
  table.Add("max_tokens",
            IntegerSchema("Tokens to generate at most. 0 generates none: with echo the answer is the prompt, with "
                          "prompt_logprobs, or echo and logprobs, its scores.",
                          {.min = 0, .fallback = kDefaultMaxTokens}),
            &Params::max_tokens);
  AddGenerationParameters(table);
  AddGrammarParameters(table);
  table.AddReadPresent(
      "logprobs",
      IntegerSchema("Report the log-probability of every generated token, and of so many of the most likely. "
                    "false: of none.",
                    {.min = 0, .max = kMaxLogprobs}),
      ReadCompletionLogprobs);
  table.Add("echo", BooleanSchema("The text begins with the prompt; with logprobs, the prompt is scored too.", false),
            &Params::echo);
  table.Add("add_special_tokens",
            BooleanSchema("Put the model's start token before every prompt that is text, even one that begins with it.",
                          true),
            &Params::add_special_tokens);
  table.AddReadPresent(
      "best_of",
      IntegerSchema("Generate so many texts, at most --max-choices, and answer with the n of the highest mean "
                    "log-probability a token, the best first. Default: n; not more with \"stream\".",
                    {.min = 1}),
      ReadBestOf);
  AddKnownParameters(KnownParameters(), table);
  AddKnownParameters(OpenAiParameters(), table);
  return table;
}

}  // namespace

const CompletionTable& CompletionParameters() {
  static const CompletionTable table = MakeCompletionTable();
  return table;
}

absl::StatusOr<CompletionParams> ParseCompletionRequest(std::string_view body, UnknownMembers* unknown) {
  return CompletionParameters().Parse(body, unknown);
}

}  // namespace batucada
