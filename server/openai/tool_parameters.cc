#include "server/openai/tool_parameters.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "absl/strings/ascii.h"
#include "base/strings.h"
#include "server/common/error.h"
#include "text/grammar/schema_object.h"
#include "text/grammar/schema_shape.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Params = CompletionParams;
using Mode = ToolChoice::Mode;

constexpr std::string_view kNamedTool = "tool_choice.function.name";

bool IsToolName(std::string_view name) {
  constexpr std::string_view kMarks = "_-.:/";
  return !name.empty() && name.size() <= kMaxToolNameBytes && std::all_of(name.begin(), name.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || kMarks.find(c) != kMarks.npos;
  });
}

// The name of a tool, if it is one that is sound.
std::string ReadTool(RequestReader& reader, const std::string& path, const bj::value& tool,
                     const ParameterNames& names) {
  if (!tool.is_object()) {
    reader.Fail(path, fmt::format("must be an object, not {}", DescribeJson(tool)));
    return "";
  }
  RequestReader members(tool.get_object(), path + ".", reader);
  std::string type = "function", name, description;
  members.Read("type", &type);
  if (members.ok() && type != "function") {
    members.Fail("type", "must be \"function\": this server runs no tools of its own", "unsupported_parameter");
  }
  const bj::value* function = members.Take("function");
  for (const char* kept : {"cache_control", "defer_loading", "allowed_callers", "eager_input_streaming"}) {
    members.Take(kept);
  }
  if (members.ok() && (function == nullptr || !function->is_object())) {
    members.Fail("function", fmt::format("must be an object with a name, not {}",
                                         function == nullptr ? "absent" : DescribeJson(*function)));
  }
  reader.Fail(members.Finish());
  if (!reader.ok()) return "";
  RequestReader inner(function->get_object(), Concat(path, ".", names.tool_member), reader);
  bool strict = false;
  inner.Read("name", &name);
  inner.Read("description", &description);
  inner.Read("strict", &strict);
  inner.Take("return");
  const bj::value* parameters = inner.Take("parameters");
  if (inner.ok() && parameters != nullptr && !parameters->is_object()) {
    inner.Fail(names.tool_schema, fmt::format("must be a JSON Schema, not {}", DescribeJson(*parameters)));
  }
  if (inner.ok() && !IsToolName(name)) {
    inner.Fail("name", fmt::format("must be 1 to {} letters, digits and any of _ - . : /", kMaxToolNameBytes),
               name.empty() ? "missing_parameter" : "invalid_value");
  }
  // Also where no answer will be held to it: a model can do nothing with what is no schema.
  if (inner.ok() && parameters != nullptr) {
    const std::string full = inner.FullName(names.tool_schema);
    if (const absl::Status shape = grammar::CheckSchemaShape(*parameters); !shape.ok()) {
      inner.Fail(InvalidParameter(full, Concat(full, ": ", std::string(shape.message())), "unsupported_parameter"));
    } else if (const absl::Status object = grammar::CheckLeavesObject(*parameters); !object.ok()) {
      inner.Fail(InvalidParameter(
          full, Concat(full, ": ", std::string(object.message()), ", as a call's arguments must be one"),
          "invalid_value"));
    }
  }
  reader.Fail(inner.Finish());
  return name;
}

// {"type": "function", "function": {"name": …}}
std::string ReadNamed(RequestReader& reader, const std::string& path, const bj::object& object) {
  RequestReader members(object, path + ".", reader);
  std::string type, name;
  members.Read("type", &type);
  const bj::value* function = members.Take("function");
  if (members.ok() && (type != "function" || function == nullptr || !function->is_object())) {
    members.Fail("function", "must be an object with a name, beside \"type\": \"function\"");
  }
  reader.Fail(members.Finish());
  if (!reader.ok()) return "";
  RequestReader inner(function->get_object(), path + ".function.", reader);
  inner.Read("name", &name);
  reader.Fail(inner.Finish());
  return name;
}

// {"mode": …, "tools": [{"type": "function", "function": {"name": …}}, …]}
void ReadAllowed(RequestReader& reader, const std::string& path, const bj::object& object, ToolChoice* choice) {
  RequestReader members(object, path + ".", reader);
  std::string mode;
  members.Read("mode", &mode);
  const bj::value* tools = members.Take("tools");
  if (members.ok() && mode != "auto" && mode != "required") members.Fail("mode", "must be one of auto, required");
  if (members.ok() && (tools == nullptr || !tools->is_array() || tools->get_array().empty())) {
    members.Fail("tools", "must be a list of at least one tool");
  }
  reader.Fail(members.Finish());
  if (!reader.ok()) return;
  choice->mode = mode == "required" ? Mode::kRequired : Mode::kAuto;
  choice->parameter = path + ".tools";
  choice->listed = true;
  for (const bj::value& tool : tools->get_array()) {
    const std::string at = fmt::format("{}.tools[{}]", path, choice->names.size());
    if (!tool.is_object()) return reader.Fail(at, fmt::format("must be an object, not {}", DescribeJson(tool)));
    choice->names.push_back(ReadNamed(reader, at, tool.get_object()));
  }
}

ToolChoice ReadChoice(RequestReader& reader) {
  constexpr const char* kName = "tool_choice";
  ToolChoice choice = {.parameter = kName};
  const bj::value* value = reader.Take(kName);
  if (value == nullptr) return choice;
  if (const bj::string* word = value->if_string()) {
    if (*word == "none") {
      choice.mode = Mode::kNone;
    } else if (*word == "required") {
      choice.mode = Mode::kRequired;
    } else if (*word != "auto") {
      reader.Fail(kName, "must be one of none, auto, required, or an object that names a tool", "invalid_value");
    }
    return choice;
  }
  if (!value->is_object()) {
    reader.Fail(kName, fmt::format("must be a string or an object, not {}", DescribeJson(*value)));
    return choice;
  }
  const bj::object& object = value->get_object();
  const bj::value* allowed = object.if_contains("allowed_tools");
  const bj::value* type = object.if_contains("type");
  if (type != nullptr && *type == "allowed_tools" && allowed != nullptr && allowed->is_object()) {
    ReadAllowed(reader, "tool_choice.allowed_tools", allowed->get_object(), &choice);
    return choice;
  }
  choice.mode = Mode::kRequired;
  choice.parameter = kNamedTool;
  choice.names.push_back(ReadNamed(reader, kName, object));
  return choice;
}

void ReadTools(RequestReader& reader, Params& params) {
  const bj::value* tools = reader.Take("tools");
  const ToolChoice choice = ReadChoice(reader);
  bool parallel = true;
  reader.Read("parallel_tool_calls", &parallel);
  if (!reader.ok()) return;
  if (tools != nullptr && !tools->is_array()) {
    return reader.Fail("tools", fmt::format("must be a list of tools, not {}", DescribeJson(*tools)));
  }
  if (!params.conversation) return;
  // Who names a tool wants one call of it.
  parallel = parallel && choice.parameter != kNamedTool;
  SetTools(reader, tools == nullptr ? bj::array() : tools->get_array(), choice, parallel, params);
}

}  // namespace

void SetTools(RequestReader& reader, const bj::array& tools, const ToolChoice& choice, bool parallel,
              CompletionParams& params) {
  if (tools.empty()) {
    if (choice.mode == Mode::kRequired) reader.Fail("tool_choice", "asks for a call, and there are no tools");
    // Who lets the model choose among tools has forgotten them, too.
    if (!choice.names.empty()) reader.Fail(choice.parameter, "names a tool, and there are no tools", "invalid_value");
    return;
  }
  if (tools.size() > kMaxTools) {
    return reader.Fail("tools", fmt::format("has {} tools: at most {}", tools.size(), kMaxTools), "invalid_value");
  }
  OfferedTools offered;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string path = fmt::format("tools[{}]", i);
    std::string name = ReadTool(reader, path, tools[i], params.names);
    if (!reader.ok()) return;
    if (std::find(offered.names.begin(), offered.names.end(), name) != offered.names.end()) {
      return reader.Fail(Concat(path, ".", params.names.tool_member, "name"),
                         fmt::format("is {}, as another tool's: names must differ", name), "invalid_value");
    }
    offered.names.push_back(std::move(name));
  }
  for (size_t i = 0; i < choice.names.size(); ++i) {
    const std::string& name = choice.names[i];
    if (std::find(offered.names.begin(), offered.names.end(), name) != offered.names.end()) continue;
    const std::string place = choice.listed ? fmt::format("[{}].{}name", i, params.names.tool_member) : "";
    return reader.Fail(choice.parameter + place, fmt::format("is {}, which is none of the tools", name),
                       "invalid_value");
  }
  if (choice.mode == Mode::kNone) return;
  offered.tools = tools;
  for (bj::value& tool : offered.tools) tool.get_object()["type"] = "function";
  offered.use = choice.mode == Mode::kRequired ? OfferedTools::Use::kMust : OfferedTools::Use::kMay;
  offered.parallel = parallel;
  // The template sees all tools, so that what stands before the conversation stays the same whatever is chosen.
  params.conversation->tools = offered.tools;
  if (!choice.names.empty()) offered.names = choice.names;
  params.tools = std::move(offered);
}

void ReadOfferedTools(RequestReader& reader, std::optional<ChatInput>* conversation) {
  CompletionParams params;
  // Beside a text without messages they are held to their form, too; but without any there is nothing to choose for.
  if (*conversation || reader.Take("tools") != nullptr) params.conversation.emplace();
  ReadTools(reader, params);
  if (*conversation) (*conversation)->tools = std::move(params.conversation->tools);
}

bj::object ToolsSchema() {
  bj::object name = StringSchema("1 to 128 letters, digits and any of _ - . : /");
  bj::object parameters =
      ObjectSchema("JSON Schema of the arguments, which are an object. Absent: there are none.", {});
  bj::object function = ObjectSchema(
      "", {{"name", name},
           {"description", Nullable(StringSchema(""))},
           {"parameters", Nullable(std::move(parameters))},
           {"strict", Nullable(BooleanSchema("Arguments are held to the schema also where the model may answer "
                                             "without a call. Where it must call they are in any case: of a tool that "
                                             "is not strict to as much of it as they can be.",
                                             false))}});
  function["required"] = bj::array{"name"};
  bj::object type = StringSchema("");
  type["enum"] = bj::array{"function"};
  bj::object tool = ObjectSchema("", {{"type", type}, {"function", std::move(function)}});
  tool["required"] = bj::array{"type", "function"};
  bj::object tools = ArraySchema(
      "Functions that the model may call. The client runs them, and tells their results in messages of the role tool.",
      std::move(tool));
  tools["maxItems"] = kMaxTools;
  return tools;
}

bj::object ToolChoiceSchema() {
  bj::object word = StringSchema("");
  word["enum"] = bj::array{"none", "auto", "required"};
  return AnyOfSchema(
      "Whether the model may call, or must; or the tool that it must call, or {\"type\": \"allowed_tools\", …}. "
      "Default: auto.",
      {word, ObjectSchema("", {})});
}

void AddToolParameters(CompletionTable& table) {
  table.AddReadPresent("tools", ToolsSchema(), ReadTools);
  table.AddBeside("tool_choice", ToolChoiceSchema(), "tools");
  table.AddBeside("parallel_tool_calls", BooleanSchema("Whether an answer may have several calls.", true), "tools");
}

}  // namespace batucada
