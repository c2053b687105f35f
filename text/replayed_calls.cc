#include "text/replayed_calls.h"

#include <optional>
#include <string_view>
#include <utility>

#include "base/nested_json.h"
#include "base/write_json.h"
#include "text/jinja/text.h"
#include "text/json_text.h"
#include "text/probe_names.h"

namespace batucada {
namespace {

namespace bj = boost::json;

constexpr std::string_view kArgument = "batucada_argument";

bool Shows(const std::string& text, std::string_view what) { return jinja::Find(text, what) != std::string::npos; }

bj::array Probe() {
  const bj::object call = {
      {"id", JsonString(kProbeId)},
      {"type", "function"},
      {"function", {{"name", JsonString(kProbeName)}, {"arguments", {{"value", JsonString(kArgument)}}}}}};
  return {{{"role", "user"}, {"content", "question"}},
          {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", bj::array{call}}},
          {{"role", "tool"},
           {"content", "result"},
           {"tool_call_id", JsonString(kProbeId)},
           {"name", call.at("function").at("name")}}};
}

// The JSON value that `text` is.
std::optional<bj::value> ParseWhole(const bj::string& text, ManyMembers* many) {
  if (text.empty()) return bj::value(bj::object());
  absl::StatusOr<bj::value> value = ParseOneOfMany({text.data(), text.size()}, "arguments", many);
  if (value.ok()) return *std::move(value);
  // A model may have written a key twice, of which the last counts. Keys of a text so short may be held against all
  // before them.
  constexpr size_t kShort = 1024;
  if (text.size() > kShort) return std::nullopt;
  absl::StatusOr<bj::value> short_one = ParseKeptJson({text.data(), text.size()}, "arguments");
  return short_one.ok() ? std::optional(*std::move(short_one)) : std::nullopt;
}

void ConvertArguments(CallForm::Arguments form, ManyMembers* many, bj::value* call) {
  if (!call->is_object()) return;
  bj::value* function = call->get_object().if_contains("function");
  bj::object& holder = function != nullptr && function->is_object() ? function->get_object() : call->get_object();
  bj::value* arguments = holder.if_contains("arguments");
  if (arguments == nullptr) return;
  if (form == CallForm::Arguments::kText) {
    if (!arguments->is_string() && !arguments->is_null()) *arguments = JsonString(WriteJson(*arguments));
    return;
  }
  if (arguments->is_null()) *arguments = bj::object();
  if (!arguments->is_string()) return;
  if (std::optional<bj::value> value = ParseWhole(arguments->get_string(), many)) *arguments = *std::move(value);
}

}  // namespace

CallForm FindCallForm(const std::function<absl::StatusOr<std::string>(const bj::array& messages)>& render) {
  using Arguments = CallForm::Arguments;
  using Missing = CallForm::MissingContent;
  for (const Arguments arguments : {Arguments::kObject, Arguments::kText}) {
    for (const Missing missing : {Missing::kEmpty, Missing::kNull}) {
      const CallForm form = {.arguments = arguments, .missing_content = missing};
      bj::array messages = Probe();
      ConvertCalls(form, &messages);
      const absl::StatusOr<std::string> text = render(messages);
      // Kimi's templates print ids, which have the name in them.
      if (text.ok() && Shows(*text, kArgument) && (Shows(*text, kProbeName) || Shows(*text, kProbeId))) return form;
    }
  }
  return {};
}

void ConvertCalls(const CallForm& form, bj::array* messages) {
  ManyMembers many;
  for (bj::value& value : *messages) {
    bj::object* message = value.if_object();
    const bj::value* role = message == nullptr ? nullptr : message->if_contains("role");
    if (role == nullptr || *role != "assistant") continue;
    bj::value* calls = message->if_contains("tool_calls");
    if (calls != nullptr && calls->is_array() && calls->get_array().empty()) {
      message->erase("tool_calls");
      calls = nullptr;
    }
    const bool has_calls = calls != nullptr && calls->is_array();
    if (has_calls) {
      for (bj::value& call : calls->get_array()) ConvertArguments(form.arguments, &many, &call);
    }
    const bj::value* content = message->if_contains("content");
    if (content != nullptr && !content->is_null()) continue;
    const bool stays_null = has_calls && form.missing_content == CallForm::MissingContent::kNull;
    (*message)["content"] = stays_null ? bj::value() : bj::value("");
  }
}

}  // namespace batucada
