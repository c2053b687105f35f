// The tools that a conversation offers to the model, and whether it must use them: tools, tool_choice and
// parallel_tool_calls.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

#include "server/json/request_reader.h"
#include "server/openai/generation_parameters.h"

namespace batucada {

inline constexpr size_t kMaxTools = 512;
inline constexpr size_t kMaxToolNameBytes = 128;

boost::json::object ToolsSchema();
boost::json::object ToolChoiceSchema();

// Behind the conversation's own members.
void AddToolParameters(CompletionTable& table);

// The same members for a conversation that is only rendered: its template is told of the tools. Reads nothing where
// there is no conversation.
void ReadOfferedTools(RequestReader& reader, std::optional<ChatInput>* conversation);
template <typename Params>
void AddOfferedTools(ParameterTable<Params>& table, std::optional<ChatInput> Params::*field) {
  table.AddReadPresent("tools", ToolsSchema(),
                       [field](RequestReader& reader, Params& params) { ReadOfferedTools(reader, &(params.*field)); });
  table.AddBeside("tool_choice", ToolChoiceSchema(), "tools");
  table.AddBeside("parallel_tool_calls", BooleanSchema("Has no effect here."), "tools");
}

// What tool_choice comes to.
struct ToolChoice {
  enum class Mode : uint8_t { kNone, kAuto, kRequired };
  Mode mode = Mode::kAuto;
  std::vector<std::string> names;  // of those that may be called; none: all
  std::string parameter;           // that says so, for errors
  bool listed = false;             // and is a list of tools
};

// Checks `tools`, of OpenAI's form, and gives them to the template and to the answer's parser. Errors go to `reader`.
// REQUIRES: there is a conversation.
void SetTools(RequestReader& reader, const boost::json::array& tools, const ToolChoice& choice, bool parallel,
              CompletionParams& params);

}  // namespace batucada
