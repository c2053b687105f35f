#include "text/offered_tools.h"

#include <string_view>
#include <utility>

#include "base/write_json.h"
#include "text/jinja/text.h"
#include "text/json_text.h"
#include "text/probe_names.h"

namespace batucada {
namespace {

namespace bj = boost::json;
using Place = ToolsForm::Place;

constexpr std::string_view kSystem = "batucada_system";
constexpr std::string_view kResult = "batucada_result";

bool Says(const absl::StatusOr<std::string>& text, std::string_view what) {
  return text.ok() && jinja::Find(*text, what) != std::string::npos;
}

bj::object ProbeMessage(const char* role, std::string_view content) {
  return {{"role", role}, {"content", JsonString(content)}};
}

std::string Instructions(const bj::array& tools) {
  std::string text =
      "You may call functions to help the user. These are there, each with the JSON Schema of its "
      "parameters:\n<tools>\n";
  for (const bj::value& tool : tools) text += WriteJson(tool.at("function")) + "\n";
  return text +
         "</tools>\nFor each call write a JSON object with the function's name and its arguments within tags:\n"
         "<tool_call>\n{\"name\": NAME, \"arguments\": ARGUMENTS}\n</tool_call>";
}

// Behind what the message says, whichever way it says it.
void Append(std::string_view text, bj::object* message) {
  bj::value& content = (*message)["content"];
  if (bj::array* parts = content.if_array()) {
    parts->push_back({{"type", "text"}, {"text", JsonString(text)}});
    return;
  }
  std::string whole;
  if (const bj::string* old = content.if_string()) whole.assign(old->data(), old->size());
  if (!whole.empty()) whole += "\n\n";
  content = whole.append(text);
}

bool HasRole(const bj::value& message, std::string_view role) {
  const bj::object* object = message.if_object();
  const bj::value* own = object == nullptr ? nullptr : object->if_contains("role");
  return own != nullptr && own->is_string() && own->get_string() == bj::string_view(role.data(), role.size());
}

// The system's first message, put there if there is none.
bj::object& SystemMessage(bj::array* messages) {
  const bool there =
      !messages->empty() && (HasRole(messages->front(), "system") || HasRole(messages->front(), "developer"));
  if (!there) messages->insert(messages->begin(), ProbeMessage("system", ""));
  return messages->front().get_object();
}

// A result of a tool as the user's words.
void TellResult(bj::object* message) {
  const bj::value* content = message->if_contains("content");
  std::string text;
  if (content != nullptr) text = content->is_string() ? std::string(content->get_string()) : WriteJson(*content);
  *message = ProbeMessage("user", "<tool_response>\n" + text + "\n</tool_response>");
}

// The calls of an assistant's message as its words.
void TellCalls(const CallFrame& frame, bj::object* message) {
  const bj::value* calls = message->if_contains("tool_calls");
  if (calls == nullptr || !calls->is_array()) return;
  std::string text;
  for (const bj::value& call : calls->get_array()) {
    const bj::object* object = call.if_object();
    const bj::value* function = object == nullptr ? nullptr : object->if_contains("function");
    const bj::object* told = function != nullptr ? function->if_object() : object;
    if (told == nullptr || !told->contains("name")) continue;
    const bj::value* arguments = told->if_contains("arguments");
    text += (text.empty() ? frame.open : frame.separator) + frame.before_name + WriteJson(told->at("name")) +
            frame.before_arguments + (arguments == nullptr ? "{}" : WriteJson(*arguments)) + frame.behind;
  }
  message->erase("tool_calls");
  if (!text.empty()) Append(text + frame.close, message);
}

}  // namespace

bj::array ProbeTools() {
  const bj::object value = {{"type", "string"}, {"description", "what it is"}};
  const bj::object parameters = {
      {"type", "object"}, {"properties", {{"value", value}}}, {"required", bj::array{"value"}}};
  const bj::object function = {{"name", JsonString(kProbeName)}, {"description", "a tool"}, {"parameters", parameters}};
  return {{{"type", "function"}, {"function", function}}};
}

ToolsForm FindToolsForm(const RenderTools& render, std::string_view source) {
  ToolsForm form;
  const bj::object call = {{"id", JsonString(kProbeId)},
                           {"type", "function"},
                           {"function", {{"name", JsonString(kProbeName)}, {"arguments", bj::object()}}}};
  bj::array past = {ProbeMessage("user", "question"), {{"role", "assistant"}, {"tool_calls", bj::array{call}}}};
  const absl::StatusOr<std::string> told = render(past, {});
  form.prints_calls = Says(told, kProbeName) || Says(told, kProbeId);  // Kimi's ids have the name in them
  if (!form.prints_calls) past.back() = ProbeMessage("assistant", "answer");
  past.push_back({{"role", "tool"},
                  {"content", JsonString(kResult)},
                  {"tool_call_id", JsonString(kProbeId)},
                  {"name", JsonString(kProbeName)}});
  form.prints_results = Says(render(past, {}), kResult);
  for (const Place place : {Place::kVariable, Place::kSystemMember}) {
    for (const bool system : {false, true}) {
      form.place = place;
      bj::array messages = {ProbeMessage("user", "question")};
      if (system) messages.insert(messages.begin(), ProbeMessage("system", kSystem));
      bj::object variables;
      OfferTools(form, ProbeTools(), &messages, &variables);
      if (!Says(render(std::move(messages), std::move(variables)), kProbeName)) continue;
      form.calls = FindCallFormat(source);
      return form;
    }
  }
  const bool takes_system =
      Says(render({ProbeMessage("system", kSystem), ProbeMessage("user", "question")}, {}), kSystem);
  form.place = takes_system ? Place::kSystemContent : Place::kUserContent;
  return form;
}

void OfferTools(const ToolsForm& form, const bj::array& tools, bj::array* messages, bj::object* variables) {
  const CallFrame& frame = FamilyOf(form.calls == CallFormat::kNone ? CallFormat::kHermes : form.calls).frame;
  for (bj::value& message : *messages) {
    if (!form.prints_results && HasRole(message, "tool")) TellResult(&message.get_object());
    if (!form.prints_calls && HasRole(message, "assistant")) TellCalls(frame, &message.get_object());
  }
  if (tools.empty()) return;
  switch (form.place) {
    case Place::kVariable: (*variables)["tools"] = tools; break;
    case Place::kSystemMember: {
      bj::array functions;
      for (const bj::value& tool : tools) functions.push_back(tool.at("function"));
      SystemMessage(messages)["tools"] = JsonString(WriteJson(functions));
      break;
    }
    case Place::kSystemContent: Append(Instructions(tools), &SystemMessage(messages)); break;
    case Place::kUserContent:
      if (!messages->empty() && messages->front().is_object()) {
        Append(Instructions(tools), &messages->front().get_object());
      }
      break;
  }
}

}  // namespace batucada
