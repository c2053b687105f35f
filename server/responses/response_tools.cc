#include "server/responses/response_tools.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "server/common/error.h"
#include "server/openai/reasoning_parameters.h"
#include "server/openai/tool_parameters.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = ResponseParams;
using Mode = ToolChoice::Mode;

constexpr const char* kChoice = "tool_choice";
constexpr std::string_view kNamedTool = "tool_choice.name";

// {"type": "function", "name": …, "parameters": …} in the form of chats.
bj::value ReadTool(RequestReader& reader, const std::string& path, const bj::value& tool) {
  if (!tool.is_object()) {
    reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(tool)));
    return nullptr;
  }
  RequestReader members(tool.get_object(), path + ".", reader);
  std::string type;
  members.Read("type", &type);
  if (members.ok() && type != "function") {
    members.Fail("type", "must be \"function\": this server runs no tools of its own",
                 type.empty() ? "missing_parameter" : "unsupported_parameter");
  }
  bj::object function;
  for (const char* name : {"name", "description", "parameters", "strict"}) {
    if (const bj::value* value = members.Take(name)) function[name] = *value;
  }
  for (const char* kept : {"allowed_callers", "async", "cache_control", "defer_loading", "output_schema"}) {
    members.Take(kept);
  }
  reader.Fail(members.Finish());
  return bj::object{{"type", "function"}, {"function", std::move(function)}};
}

// What OpenAI's clients expect of a tool that a response repeats, with what is in effect here.
void Complete(bj::object& told) {
  told.emplace("parameters", nullptr);
  bj::value& strict = told["strict"];
  if (strict.is_null()) strict = false;
}

// {"type": "function", "name": …}
std::string ReadNamed(RequestReader& reader, const std::string& path, const bj::value& named) {
  if (!named.is_object()) {
    reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(named)));
    return "";
  }
  RequestReader members(named.get_object(), path + ".", reader);
  std::string type, name;
  members.Read("type", &type);
  members.Read("name", &name);
  if (members.ok() && type != "function") {
    members.Fail("type", "must be \"function\" or \"allowed_tools\": this server runs no tools of its own",
                 type.empty() ? "missing_parameter" : "unsupported_parameter");
  }
  if (members.ok() && name.empty()) members.Fail("name", "is missing", "missing_parameter");
  reader.Fail(members.Finish());
  return name;
}

// {"type": "allowed_tools", "mode": …, "tools": [{"type": "function", "name": …}, …]}
void ReadAllowed(RequestReader& reader, const bj::object& object, ToolChoice* choice) {
  RequestReader members(object, "tool_choice.", reader);
  std::string type, mode;
  members.Read("type", &type);
  members.Read("mode", &mode);
  const bj::value* tools = members.Take("tools");
  if (members.ok() && mode != "auto" && mode != "required") {
    members.Fail("mode", "must be one of auto, required", mode.empty() ? "missing_parameter" : "invalid_value");
  }
  if (members.ok() && (tools == nullptr || !tools->is_array() || tools->get_array().empty())) {
    members.Fail("tools", "must be a list of at least one tool");
  }
  reader.Fail(members.Finish());
  if (!reader.ok()) return;
  choice->mode = mode == "required" ? Mode::kRequired : Mode::kAuto;
  choice->parameter = "tool_choice.tools";
  choice->listed = true;
  for (const bj::value& tool : tools->get_array()) {
    choice->names.push_back(ReadNamed(reader, fmt::format("tool_choice.tools[{}]", choice->names.size()), tool));
  }
}

ToolChoice ReadChoice(RequestReader& reader, const bj::value* value) {
  ToolChoice choice = {.parameter = kChoice};
  if (value == nullptr) return choice;
  if (const bj::string* word = value->if_string()) {
    if (*word == "none") {
      choice.mode = Mode::kNone;
    } else if (*word == "required") {
      choice.mode = Mode::kRequired;
    } else if (*word != "auto") {
      reader.Fail(kChoice, "must be one of none, auto, required, or an object that names a tool", "invalid_value");
    }
    return choice;
  }
  if (!value->is_object()) {
    reader.Fail(kChoice, fmt::format("must be a string or an object, not {}", DescribeJson(*value)));
    return choice;
  }
  const bj::value* type = value->get_object().if_contains("type");
  if (type != nullptr && *type == "allowed_tools") {
    ReadAllowed(reader, value->get_object(), &choice);
    return choice;
  }
  choice.mode = Mode::kRequired;
  choice.parameter = kNamedTool;
  choice.names.push_back(ReadNamed(reader, kChoice, *value));
  return choice;
}

void ReadTools(RequestReader& reader, Params& params) {
  const bj::value *given = reader.Take("tools"), *chosen = reader.Take(kChoice);
  bool parallel = true;
  reader.Read("parallel_tool_calls", &parallel);
  const ToolChoice choice = ReadChoice(reader, chosen);
  if (reader.ok() && given != nullptr && !given->is_array()) {
    reader.Fail("tools", fmt::format("must be a list of tools, not {}", DescribeJson(*given)));
  }
  if (!reader.ok()) return;
  const bj::array list = given == nullptr ? bj::array() : given->get_array();
  params.told["tools"] = list;
  params.told[kChoice] = chosen == nullptr ? bj::value("auto") : *chosen;
  params.told["parallel_tool_calls"] = parallel;
  if (list.size() > kMaxTools) {
    return reader.Fail("tools", fmt::format("has {} tools: at most {}", list.size(), kMaxTools), "invalid_value");
  }
  bj::array tools;
  for (size_t i = 0; i < list.size() && reader.ok(); ++i) {
    tools.push_back(ReadTool(reader, fmt::format("tools[{}]", i), list[i]));
    if (reader.ok()) Complete(params.told["tools"].get_array()[i].get_object());
  }
  // Who names a tool wants one call of it.
  if (!reader.ok()) return;
  params.names.tool_member = "";
  SetTools(reader, tools, choice, parallel && choice.parameter != kNamedTool, params);
}

void ReadReasoningOptions(RequestReader& reader, Params& params) {
  bj::object told = {{"effort", nullptr}, {"summary", nullptr}};
  const bj::value* value = reader.Take("reasoning");
  if (value != nullptr && !value->is_object()) {
    return reader.Fail("reasoning", fmt::format("must be an object, not {}", DescribeJson(*value)));
  }
  if (value != nullptr) {
    RequestReader members(value->get_object(), "reasoning.", reader);
    std::string effort;
    members.Read("effort", &effort);
    for (const char* name : {"summary", "generate_summary"}) {
      constexpr std::array<std::string_view, 3> kSummaries = {"auto", "concise", "detailed"};
      std::string summary;
      members.Read(name, &summary);
      if (summary.empty() || !members.ok()) continue;
      if (std::find(kSummaries.begin(), kSummaries.end(), summary) == kSummaries.end()) {
        members.Fail(name, "must be one of auto, concise, detailed", "invalid_value");
      }
      params.summarises = true;
      told["summary"] = bj::string(summary);
    }
    members.Refuse("context", {"auto", "all_turns"});
    members.Refuse("mode", {"standard"});
    reader.Fail(members.Finish());
    SetEffort(reader, "reasoning.effort", effort, params);
    if (!effort.empty()) told["effort"] = bj::string(effort);
  }
  params.told["reasoning"] = std::move(told);
}

}  // namespace

void AddResponseTools(ParameterTable<Params>& table) {
  bj::object type = StringSchema("");
  type["enum"] = bj::array{"function"};
  bj::object tool = ObjectSchema(
      "", {{"type", type},
           {"name", StringSchema("1 to 128 letters, digits and any of _ - . : /")},
           {"description", Nullable(StringSchema(""))},
           {"parameters",
            Nullable(ObjectSchema("JSON Schema of the arguments, which are an object. Absent: there are none.", {}))},
           {"strict", Nullable(BooleanSchema("Arguments are held to the schema also where the model may answer "
                                             "without a call. Where it must call they are in any case: of a tool that "
                                             "is not strict to as much of it as they can be. With OpenAI tools are "
                                             "strict unless they say otherwise; here they say it, for what no answer "
                                             "can be held to is refused of a strict one.",
                                             false))}});
  tool["required"] = bj::array{"type", "name"};
  bj::object tools = ArraySchema(
      "Functions that the model may call: its calls are items of the type function_call. The client runs them, and "
      "tells their results in items of the type function_call_output.",
      std::move(tool));
  tools["maxItems"] = kMaxTools;
  table.AddRead("tools", std::move(tools), ReadTools);
  bj::object word = StringSchema("");
  word["enum"] = bj::array{"none", "auto", "required"};
  const auto read_already = [](RequestReader&, Params&) {};
  table.AddRead(kChoice,
                AnyOfSchema("Whether the model may call, or must; or the tool that it must call, {\"type\": "
                            "\"function\", \"name\": …}, or {\"type\": \"allowed_tools\", …}. Default: auto.",
                            {word, ObjectSchema("", {})}),
                read_already);
  table.AddRead("parallel_tool_calls", BooleanSchema("Whether a response may have several calls.", true), read_already);
}

void AddResponseReasoning(ParameterTable<Params>& table) {
  table.AddRead(
      "reasoning",
      ObjectSchema("How much the model thinks first, if its template knows how. What it thinks is an item of the type "
                   "reasoning.",
                   {{"effort", Nullable(StringSchema("For the template, as in a chat's reasoning_effort."))},
                    {"summary", Nullable(StringSchema("auto, concise or detailed: what the model thinks is told as a "
                                                      "summary, all of it; absent: as the item's content."))}}),
      ReadReasoningOptions);
  table.AddReadPresent(
      "thinking_token_budget",
      IntegerSchema("After so many tokens of thinking the answer begins; -1: no bound.", {.min = -1}),
      [](RequestReader& reader, Params& params) { ReadBudget(reader, "thinking_token_budget", params); });
}

}  // namespace batucada
