#include <array>
#include <utility>

#include <fmt/format.h>
#include <boost/json/serialize.hpp>

#include "server/common/error.h"
#include "server/compat/anthropic.h"
#include "server/compat/anthropic_blocks.h"
#include "server/json/json_schema.h"
#include "server/openai/conversation.h"
#include "server/openai/known_parameters.h"
#include "server/openai/reasoning_parameters.h"
#include "server/openai/sampling_parameters.h"
#include "server/openai/tool_parameters.h"
#include "text/breakpoints.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = CompletionParams;
using MessagesTable = ParameterTable<Params>;

constexpr std::string_view kNoEffect = "No answer depends on it.";
constexpr KnownParameter kMessagesMembers[] = {
    {"metadata", "*", kNoEffect},
    {"service_tier", R"("auto", "standard_only")", kNotSupported},
    {"cache_control", "*", "A hint. No answer depends on it."},
    {"container", "", kNotSupported},
    {"mcp_servers", "[]", kNotSupported},
    {"context_management", "*", "What is too long is refused."},
    {"inference_geo", "*", kNoEffect},
};

// What the other APIs have of their own, and is in no table of theirs that is added here.
constexpr KnownParameter kOthersMembers[] = {
    {"stop", "[]", "Not supported: see stop_sequences."},
    {"seed", "", kNotSupported},
    {"previous_response_id", "", "Not supported: the conversation is in messages."},
    {"conversation", "", "Not supported: the conversation is in messages."},
};

void ReadMessages(RequestReader& reader, Params& params) {
  const bj::value* system = reader.Take("system");
  const bj::value* given = reader.Take("messages");
  if (!reader.ok()) return;
  if (given == nullptr) return reader.Fail("messages", "is missing: give a list of messages", "missing_parameter");
  if (!given->is_array()) {
    return reader.Fail("messages", fmt::format("must be a list of messages, not {}", DescribeJson(*given)));
  }
  if (given->get_array().empty()) return reader.Fail("messages", "has no message: give at least one", "invalid_value");
  const bj::array& list = given->get_array();
  if (list.size() > kMaxMessages) {
    return reader.Fail("messages", fmt::format("has {} messages: at most {}", list.size(), kMaxMessages),
                       "invalid_value");
  }
  ChatInput input;
  if (system != nullptr) {
    bj::array parts = ReadSystemBlocks(reader, "system", *system);
    const bool plain = parts.size() == 1 && !parts.front().get_object().contains("cache_control");
    bj::value said = plain ? parts.front().at("text") : bj::value(std::move(parts));
    if (plain || !said.get_array().empty())
      input.messages.push_back({{"role", "system"}, {"content", std::move(said)}});
  }
  for (size_t i = 0; i < list.size() && reader.ok(); ++i) {
    ReadAnthropicMessage(reader, fmt::format("messages[{}]", i), list[i], &input.messages);
  }
  if (!reader.ok()) return;
  // What the assistant said last it goes on with.
  input.ending = EndsWithAssistant(input) ? ChatEnding::kContinueFinalMessage : ChatEnding::kGenerationPrompt;
  params.conversation = std::move(input);
}

// {"name": …, "description": …, "input_schema": …} in OpenAI's form.
bj::value ReadTool(RequestReader& reader, const std::string& path, const bj::value& tool) {
  if (!tool.is_object()) {
    reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(tool)));
    return nullptr;
  }
  RequestReader members(tool.get_object(), path + ".", reader);
  std::string type = "custom";
  members.Read("type", &type);
  if (members.ok() && type != "custom") {
    members.Fail("type", "must be \"custom\": this server runs no tools of its own", "unsupported_parameter");
  }
  bj::object function;
  constexpr std::array<std::pair<const char*, const char*>, 4> kNames = {
      {{"name", "name"}, {"description", "description"}, {"input_schema", "parameters"}, {"strict", "strict"}}};
  for (const auto& [own, made] : kNames) {
    if (const bj::value* value = members.Take(own)) function[made] = *value;
  }
  for (const char* kept :
       {"cache_control", "defer_loading", "allowed_callers", "eager_input_streaming", "input_examples"}) {
    members.Take(kept);
  }
  if (members.ok() && !function.contains("parameters")) members.Fail("input_schema", "is missing", "missing_parameter");
  reader.Fail(members.Finish());
  bj::object made = {{"type", "function"}, {"function", std::move(function)}};
  const bj::value* const mark = tool.get_object().if_contains("cache_control");
  if (mark != nullptr && mark->is_object()) made["cache_control"] = *mark;
  return made;
}

void ReadTools(RequestReader& reader, Params& params) {
  const bj::value* given = reader.Take("tools");
  const bj::value* chosen = reader.Take("tool_choice");
  if (!reader.ok() || !params.conversation) return;
  bj::array tools;
  if (given != nullptr && !given->is_array()) {
    return reader.Fail("tools", fmt::format("must be a list of tools, not {}", DescribeJson(*given)));
  }
  for (size_t i = 0; given != nullptr && i < given->get_array().size() && reader.ok(); ++i) {
    tools.push_back(ReadTool(reader, fmt::format("tools[{}]", i), given->get_array()[i]));
  }
  ToolChoice choice = {.parameter = "tool_choice"};
  bool one = false;
  if (chosen != nullptr) {
    if (!chosen->is_object()) {
      return reader.Fail("tool_choice", fmt::format("must be an object with a type, not {}", DescribeJson(*chosen)));
    }
    RequestReader members(chosen->get_object(), "tool_choice.", reader);
    std::string type, name;
    members.Read("type", &type);
    members.Read("name", &name);
    members.Read("disable_parallel_tool_use", &one);
    if (members.ok() && type != "auto" && type != "any" && type != "tool" && type != "none") {
      members.Fail("type", "must be one of auto, any, tool, none", "invalid_value");
    }
    if (members.ok() && type == "tool" && name.empty()) members.Fail("name", "is missing", "missing_parameter");
    reader.Fail(members.Finish());
    if (type == "none") choice.mode = ToolChoice::Mode::kNone;
    if (type == "any" || type == "tool") choice.mode = ToolChoice::Mode::kRequired;
    if (type == "tool") {
      choice.names.push_back(name);
      choice.parameter = "tool_choice.name";
      one = true;  // who names a tool wants one call of it
    }
  }
  if (!reader.ok()) return;
  params.names.tool_member = "";
  params.names.tool_schema = "input_schema";
  SetTools(reader, tools, choice, !one, params);
}

void ReadThinking(RequestReader& reader, Params& params) {
  const bj::value* value = reader.Take("thinking");
  if (!params.conversation || !reader.ok()) return;
  std::string type = "disabled";
  if (value != nullptr) {
    if (!value->is_object()) {
      return reader.Fail("thinking", fmt::format("must be an object, not {}", DescribeJson(*value)));
    }
    RequestReader members(value->get_object(), "thinking.", reader);
    members.Read("type", &type);
    members.Read("budget_tokens", &params.thinking_tokens);
    members.Take("display");
    if (members.ok() && type != "enabled" && type != "disabled" && type != "adaptive") {
      members.Fail("type", "must be one of enabled, disabled, adaptive", "invalid_value");
    }
    if (members.ok() && params.thinking_tokens.value_or(0) < 0) members.Fail("budget_tokens", "must be at least 0");
    reader.Fail(members.Finish());
  }
  SetThinking("thinking", type != "disabled", params);
}

// {"format": {"type": "json_schema", "schema": …}, "effort": …}
void ReadOutput(RequestReader& reader, Params& params) {
  const bj::value* config = reader.Take("output_config");
  const bj::value* format = reader.Take("output_format");
  std::string path = "output_format";
  if (config != nullptr) {
    if (!config->is_object()) {
      return reader.Fail("output_config", fmt::format("must be an object, not {}", DescribeJson(*config)));
    }
    RequestReader members(config->get_object(), "output_config.", reader);
    std::string effort;
    members.Read("effort", &effort);
    if (const bj::value* inner = members.Take("format")) {
      if (format != nullptr && *format != *inner) {
        return reader.Fail("output_format", "is another than output_config.format: give one of them", "invalid_value");
      }
      format = inner;
      path = "output_config.format";
    }
    reader.Fail(members.Finish());
    CheckEffort(reader, "output_config.effort", effort);
    if (reader.ok() && params.conversation && !effort.empty()) {
      params.names.thinking = "output_config.effort";  // where nothing else is said, thinking is a default
      params.conversation->thinking.emplace("reasoning_effort", effort);
    }
  }
  if (format == nullptr || !reader.ok()) return;
  if (!format->is_object()) return reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(*format)));
  RequestReader members(format->get_object(), path + ".", reader);
  std::string type, name;
  members.Read("type", &type);
  members.Read("name", &name);
  const bj::value* schema = members.Take("schema");
  if (members.ok() && type != "json_schema") members.Fail("type", "must be \"json_schema\"", "invalid_value");
  if (members.ok() && (schema == nullptr || !schema->is_object())) members.Fail("schema", "must be a JSON Schema");
  reader.Fail(members.Finish());
  if (!reader.ok()) return;
  params.grammar = GrammarSpec{.kind = GrammarSpec::Kind::kJsonSchema,
                               .text = bj::serialize(*schema),
                               .name = path + ".schema",
                               .or_calls = true};
}

bj::object Blocks(std::string_view description) {
  bj::object block =
      ObjectSchema("", {{"type", StringSchema("text, and in messages thinking, tool_use, tool_result")}});
  block["required"] = bj::array{"type"};
  return AnyOfSchema(description, {StringSchema(""), ArraySchema("", std::move(block))});
}

MessagesTable MakeTable(MessagesCall call) {
  MessagesTable made;
  bj::object role = StringSchema("");
  role["enum"] = bj::array{"user", "assistant", "system"};
  bj::object message = ObjectSchema("", {{"role", std::move(role)}, {"content", Blocks("A text, or blocks of it.")}});
  message["required"] = bj::array{"role", "content"};
  bj::object messages =
      ArraySchema("The conversation so far; if the assistant's message is the last, it is gone on with.", message);
  messages["minItems"] = 1;
  messages["maxItems"] = kMaxMessages;
  const auto read_already = [](RequestReader&, Params&) {};
  made.AddRead("messages", std::move(messages), ReadMessages, MessagesTable::Presence::kRequired);
  made.AddRead("system", Blocks("What the system says before it."), read_already);
  made.Add("model", StringSchema("A served name. Default: the first."), &Params::model);
  bj::object tool =
      ObjectSchema("", {{"name", StringSchema("")},
                        {"description", Nullable(StringSchema(""))},
                        {"input_schema", ObjectSchema("JSON Schema of the input, which is an object.", {})},
                        {"strict", Nullable(BooleanSchema("As OpenAI's.", false))}});
  tool["required"] = bj::array{"name", "input_schema"};
  bj::object tools = ArraySchema("Tools that the model may use. The client runs them.", std::move(tool));
  tools["maxItems"] = kMaxTools;
  made.AddRead("tools", std::move(tools), ReadTools);
  made.AddRead("tool_choice",
               ObjectSchema("Whether the model may use them (auto), must (any, or tool with its name), or not (none).",
                            {{"type", StringSchema("")},
                             {"name", Nullable(StringSchema(""))},
                             {"disable_parallel_tool_use", Nullable(BooleanSchema("At most one.", false))}}),
               read_already);
  made.AddRead(
      "thinking",
      ObjectSchema("Whether the model thinks first, if its template knows how. Default: disabled.",
                   {{"type", StringSchema("enabled, disabled or adaptive")},
                    {"budget_tokens", Nullable(IntegerSchema("After so many the answer begins.", {.min = 0}))}}),
      ReadThinking);
  made.AddRead("output_config", ObjectSchema("{\"format\": {\"type\": \"json_schema\", \"schema\": …}}", {}),
               ReadOutput);
  made.AddRead("output_format", ObjectSchema("The older place of output_config.format.", {}), read_already);
  AddKnownParameters(kMessagesMembers, made);
  if (call == MessagesCall::kCount) return made;
  made.Add("max_tokens", IntegerSchema("Tokens to generate at most. Default: as of a chat.", {.min = 1}),
           &Params::max_tokens);
  made.AddNamed("stop_sequences", "stop", ArraySchema("Generation ends before the first of these.", StringSchema("")),
                &Params::stop);
  made.Add("stream", BooleanSchema("Answer with events as tokens are made.", false), &Params::stream);
  AddSamplingFields({"temperature", "top_p", "top_k"}, made);
  AddKnownParameters(kOthersMembers, made);
  AddKnownParameters(KnownParameters(), made);
  AddKnownParameters(OpenAiParameters(), made);
  return made;
}

const MessagesTable& TableOf(MessagesCall call) {
  static const MessagesTable create = MakeTable(MessagesCall::kCreate), count = MakeTable(MessagesCall::kCount);
  return call == MessagesCall::kCreate ? create : count;
}

}  // namespace

absl::StatusOr<CompletionParams> ParseMessages(MessagesCall call, std::string_view body, UnknownMembers* unknown) {
  BATUCADA_ASSIGN_OR_RETURN(CompletionParams params, TableOf(call).Parse(body, unknown));
  const size_t marks = params.conversation ? CountBreakpoints(*params.conversation) : 0;
  if (marks > kMostBreakpoints) {
    return InvalidParameter(
        "messages",
        fmt::format("A maximum of {} blocks with cache_control may be provided. Found {}.", kMostBreakpoints, marks));
  }
  params.names.prompt = "messages";
  params.names.anthropic = true;
  params.open_ended = true;
  return params;
}

bj::object MessagesRequestSchema(MessagesCall call, UnknownMembers::Policy unknown) {
  return TableOf(call).Schema(unknown);
}

}  // namespace batucada
