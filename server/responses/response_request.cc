#include "server/responses/response_request.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include "server/common/error.h"
#include "server/generate/translate.h"
#include "server/openai/cache_parameters.h"
#include "server/openai/conversation.h"
#include "server/openai/grammar_parameters.h"
#include "server/openai/known_parameters.h"
#include "server/openai/sampling_parameters.h"
#include "server/responses/items.h"
#include "server/responses/metadata.h"
#include "server/responses/response_tools.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = ResponseParams;
using Table = ParameterTable<Params>;

constexpr std::string_view kLogprobsOfOutput = "message.output_text.logprobs";

// What other parts of a response may hold, which this server never makes; asked for, they are as absent as ever.
constexpr std::string_view kIncludable[] = {"web_search_call.action.sources", "web_search_call.results",
                                            "code_interpreter_call.outputs",  "computer_call_output.output.image_url",
                                            "file_search_call.results",       "message.input_image.image_url",
                                            "reasoning.encrypted_content"};

constexpr std::string_view kNotOffered = "Not supported at other values.";
constexpr KnownParameter kKnown[] = {
    {"add_special_tokens", "false", "The chat template writes the start token."},
    {"context_management", "[]", kNotOffered},
    {"image", "*", "Of images, which this server does not take."},
    {"prompt", "", kNotOffered},
    {"access_programs", "*", "No answer depends on it."},
    {"background_options", "*", "No answer depends on it."},
};

void ReadConversation(RequestReader& reader, Params& params) {
  const bj::value* value = reader.Take("conversation");
  if (value == nullptr) return;
  if (value->is_object()) {
    RequestReader members(value->get_object(), "conversation.", reader);
    members.Read("id", &params.conversation_id);
    if (members.ok() && params.conversation_id.empty()) members.Fail("id", "is missing", "missing_parameter");
    return reader.Fail(members.Finish());
  }
  if (!value->is_string()) {
    return reader.Fail("conversation",
                       fmt::format("must be an id, or an object with an id, not {}", DescribeJson(*value)));
  }
  reader.Read("conversation", &params.conversation_id);
  if (params.conversation_id.empty()) {
    reader.Fail("conversation", "is empty: give a conversation's id, or leave it out", "invalid_value");
  }
}

void ReadPrevious(RequestReader& reader, Params& params) {
  reader.Read("previous_response_id", &params.previous_response_id);
  if (reader.Take("previous_response_id") != nullptr && params.previous_response_id.empty()) {
    return reader.Fail("previous_response_id", "is empty: give a response's id, or leave it out", "invalid_value");
  }
  if (!params.previous_response_id.empty() && !params.conversation_id.empty()) {
    reader.Fail("previous_response_id", "and conversation are both there: give one of them",
                "mutually_exclusive_parameters");
  }
}

// What a text is held to. All members are held to their forms, whatever the type.
void ReadFormat(RequestReader& format, Params& params) {
  std::string type, unused;
  bool strict = false;  // the text is held to the schema in any case
  format.Read("type", &type);
  format.Read("name", &unused);
  format.Read("description", &unused);
  format.Read("strict", &strict);
  const bj::value* schema = format.Take("schema");
  if (format.ok() && schema != nullptr && !schema->is_object()) {
    format.Fail("schema", fmt::format("must be a JSON Schema, not {}", DescribeJson(*schema)));
  }
  if (format.ok() && type != "text" && type != "json_object" && type != "json_schema") {
    format.Fail("type", "must be one of text, json_object, json_schema",
                type.empty() ? "missing_parameter" : "invalid_value");
  }
  if (format.ok() && type == "json_schema" && schema == nullptr) {
    format.Fail("schema", "is missing: give a JSON Schema", "missing_parameter");
  }
  if (!format.ok() || type == "text") return;
  using Kind = GrammarSpec::Kind;
  if (type == "json_object") {
    params.grammar =
        GrammarSpec{.kind = Kind::kJsonObject, .text = {}, .choices = {}, .name = "text.format", .or_calls = true};
    return;
  }
  params.grammar = GrammarSpec{.kind = Kind::kJsonSchema,
                               .text = bj::serialize(*schema),
                               .choices = {},
                               .name = "text.format.schema",
                               .or_calls = true};
}

// {"format": {"type": …}, "verbosity": …}; what the response repeats of it.
bj::object ReadTextMember(RequestReader& reader, Params& params) {
  bj::object told = {{"format", {{"type", "text"}}}, {"verbosity", "medium"}};
  const bj::value* value = reader.Take("text");
  if (value == nullptr) return told;
  if (!value->is_object()) {
    reader.Fail("text", fmt::format("must be an object, not {}", DescribeJson(*value)));
    return told;
  }
  RequestReader text(value->get_object(), "text.", reader);
  text.Refuse("verbosity", {"medium"});
  const bj::value* format = text.Take("format");
  if (format != nullptr && !format->is_object()) {
    text.Fail("format", fmt::format("must be an object, not {}", DescribeJson(*format)));
  }
  reader.Fail(text.Finish());
  if (!reader.ok() || format == nullptr) return told;
  RequestReader members(format->get_object(), "text.format.", reader);
  ReadFormat(members, params);
  reader.Fail(members.Finish());
  told["format"] = *format;
  return told;
}

void ReadText(RequestReader& reader, Params& params) { params.told["text"] = ReadTextMember(reader, params); }

void ReadInclude(RequestReader& reader, Params& params) {
  std::vector<std::string> include;
  std::optional<int64_t> top;
  reader.Read("include", &include);
  reader.Read("top_logprobs", &top);
  bool wanted = top.value_or(0) != 0;
  for (size_t i = 0; i < include.size(); ++i) {
    if (include[i] == kLogprobsOfOutput) {
      wanted = true;
    } else if (!IsIncludable(include[i])) {
      return reader.Fail(fmt::format("include[{}]", i), "is nothing that a response may include", "invalid_value");
    }
  }
  if (wanted) params.logprobs = top.value_or(0);
  params.told["top_logprobs"] = top.value_or(0);
}

void ReadTruncation(RequestReader& reader, Params& params) {
  std::string truncation = "disabled";
  reader.Read("truncation", &truncation);
  if (reader.ok() && truncation != "auto" && truncation != "disabled") {
    return reader.Fail("truncation", "must be auto or disabled", "invalid_value");
  }
  params.drops_oldest = truncation == "auto";
  params.told["truncation"] = bj::string(truncation);
}

void ReadStreamOptions(RequestReader& reader, Params& params) {
  const bj::value* value = reader.Take("stream_options");
  if (value == nullptr) return;
  if (!value->is_object()) {
    return reader.Fail("stream_options", fmt::format("must be an object, not {}", DescribeJson(*value)));
  }
  if (!params.stream) return reader.Fail("stream_options", "is only allowed with \"stream\": true", "invalid_value");
  RequestReader options(value->get_object(), "stream_options.", reader);
  options.Refuse("include_obfuscation", {false});
  reader.Fail(options.Finish());
}

// A text that the response repeats.
void AddTold(Table& table, const std::string& name, std::string_view description) {
  table.AddRead(name, StringSchema(description), [name](RequestReader& reader, Params& params) {
    std::string text;
    reader.Read(name, &text);
    params.told[name] = text.empty() ? bj::value() : bj::value(bj::string(text));
  });
}

void AddWhatIsGiven(Table& table) {
  table.AddRead("input", InputSchema(),
                [](RequestReader& reader, Params& params) { params.input = ReadItems(reader, "input"); });
  table.AddRead("instructions", StringSchema("What the system says before all of it; of this response alone."),
                [](RequestReader& reader, Params& params) {
                  reader.Read("instructions", &params.instructions);
                  const bool given = !params.instructions.empty();
                  params.told["instructions"] = given ? bj::value(bj::string(params.instructions)) : bj::value();
                });
  table.AddRead("conversation",
                AnyOfSchema("A conversation whose items come before the input, and that grows by the input and the "
                            "output when the response is complete.",
                            {StringSchema("Its id."), ObjectSchema("", {{"id", StringSchema("")}})}),
                ReadConversation);
  table.AddRead("previous_response_id",
                StringSchema("A response that is stored: all that it was given and its output come before the input. "
                             "Not with conversation."),
                ReadPrevious);
  table.AddRead("truncation",
                bj::object{{"type", "string"},
                           {"enum", {"auto", "disabled"}},
                           {"default", "disabled"},
                           {"description", "auto: what is too long loses its oldest items; disabled: it is refused."}},
                ReadTruncation);
  table.AddRead("chat_template_kwargs", ChatTemplateKwargsSchema(), [](RequestReader& reader, Params& params) {
    const bj::value* value = reader.Take("chat_template_kwargs");
    if (value == nullptr) return;
    if (!value->is_object()) {
      return reader.Fail("chat_template_kwargs", fmt::format("must be an object, not {}", DescribeJson(*value)));
    }
    CheckTemplateVariables(reader, value->get_object());
    params.conversation->variables = value->get_object();
  });
  AddResponseTools(table);
  AddResponseReasoning(table);
}

void AddHowItIsMade(Table& table) {
  table.Add("max_output_tokens",
            IntegerSchema("Tokens to generate at most. Default: --default-max-tokens, or as many as there is room for.",
                          {.min = 1}),
            &Params::max_tokens);
  AddSamplingFields(SamplingKind::kFilter, table);
  AddSamplingFields(SamplingKind::kLogits, table);
  table.Add("seed",
            IntegerSchema("The same request and seed give the same text, whatever else runs. Default: random.",
                          {.min = std::numeric_limits<int64_t>::min(), .max = std::numeric_limits<int64_t>::max()}),
            &Params::seed);
  table.Add("min_tokens", IntegerSchema("Until so many tokens are generated, nothing ends the text.", {.min = 0}),
            &Params::min_tokens);
  table.Add("ignore_eos", BooleanSchema("Do not end at the model's own end tokens.", false), &Params::ignore_eos);
  table.AddRead("stop",
                AnyOfSchema("Generation ends before the first of these appears.",
                            {StringSchema(""), ArraySchema("", StringSchema(""))}),
                [](RequestReader& reader, Params& params) { reader.ReadOneOrMore("stop", &params.stop); });
  bj::object format =
      ObjectSchema("Hold the text to JSON, or to a JSON Schema; what it cannot be held to is refused.",
                   {{"type", {{"enum", {"text", "json_object", "json_schema"}}}},
                    {"name", Nullable(StringSchema(""))},
                    {"description", Nullable(StringSchema(""))},
                    {"schema", Nullable(ObjectSchema("Draft 2020-12.", {}))},
                    {"strict", Nullable(BooleanSchema("It is held to the schema in any case.", false))}});
  format["required"] = bj::array{"type"};
  table.AddRead("text",
                ObjectSchema("", {{"format", Nullable(std::move(format))},
                                  {"verbosity", {{"enum", {"medium", nullptr}}, {"description", kNotOffered.data()}}}}),
                ReadText);
  for (const GrammarParameter& one : GrammarParameters()) {
    if (one.name == "structured_outputs") table.AddRead(one.name, one.schema, one.read);
  }
  table.AddRead("max_tool_calls",
                IntegerSchema("Of tools that a server runs itself; this one runs none. The response repeats it."),
                [](RequestReader& reader, Params& params) {
                  std::optional<int64_t> most;
                  reader.Read("max_tool_calls", &most);
                  params.told["max_tool_calls"] = most ? bj::value(*most) : bj::value();
                });
  table.AddRead("include",
                ArraySchema("message.output_text.logprobs: log-probabilities with the text. What else may stand here "
                            "concerns items that are never made.",
                            StringSchema("")),
                ReadInclude);
  table.AddRead(
      "top_logprobs",
      IntegerSchema("So many alternatives with each token's log-probability.", {.min = 0, .max = kMaxLogprobs}),
      [](RequestReader&, Params&) {});
  table.Add("priority",
            IntegerSchema("Smaller numbers go first; see /v1/completions.",
                          {.min = kMostUrgent, .max = kLeastUrgent, .fallback = 0}),
            &Params::priority);
  AddCacheParameters(table);
}

void AddHowItIsTold(Table& table) {
  table.Add("model", StringSchema("A served name. Default: the first."), &Params::model);
  table.Add("store",
            BooleanSchema("Keep the response, for who asks for it again or goes on from it. The answer's `store` is "
                          "false where that did not succeed, and `store_error` says why.",
                          true),
            &Params::store);
  table.Add("background",
            BooleanSchema("Answer at once; the response is made meanwhile, for GET to find. Only what is stored; not "
                          "with \"stream\".",
                          false),
            &Params::background);
  table.Add("stream", BooleanSchema("Answer with server-sent events as the response is made.", false), &Params::stream);
  table.AddRead(
      "stream_options",
      ObjectSchema("Only with \"stream\": true.",
                   {{"include_obfuscation", {{"description", "Not supported."}, {"enum", {false, nullptr}}}}}),
      ReadStreamOptions);
  table.AddRead("metadata", MetadataSchema(), [](RequestReader& reader, Params& params) {
    params.told["metadata"] = ReadMetadata(reader, "metadata");
  });
  AddTold(table, "user", "Who asks. No answer depends on it.");
  AddTold(table, "safety_identifier", "Who asks. No answer depends on it.");
}

Table MakeTable() {
  Table table;
  AddWhatIsGiven(table);
  AddHowItIsMade(table);
  AddHowItIsTold(table);
  AddKnownParameters(kKnown, table);
  AddKnownParameters(KnownParameters(), table);
  AddKnownParameters(OpenAiParameters(), table);
  return table;
}

}  // namespace

bool IsIncludable(std::string_view name) {
  return name == kLogprobsOfOutput ||
         std::find(std::begin(kIncludable), std::end(kIncludable), name) != std::end(kIncludable);
}

const Table& ResponseParameters() {
  static const Table table = MakeTable();
  return table;
}

absl::StatusOr<Params> ParseResponseRequest(std::string_view body, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(Params params, ResponseParameters().Parse(body, unknown));
  params.told["prompt_cache_key"] = params.cache.key.empty() ? bj::value() : bj::value(bj::string(params.cache.key));
  if (params.cache.session.empty()) params.cache.session = params.conversation_id;
  if (params.input.empty() && params.previous_response_id.empty() && params.conversation_id.empty()) {
    return InvalidParameter("input", "input is missing: give a text or a list of items", "missing_parameter");
  }
  if (params.background && !params.store) {
    return InvalidParameter("background",
                            "background is true and store is false: only what is stored can be asked for later");
  }
  if (params.background && params.stream) {
    return InvalidParameter("background", "background and stream are both true: give one of them",
                            "unsupported_parameter");
  }
  return params;
}

}  // namespace batucada
