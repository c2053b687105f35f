// Mistral 7B v0.3 and later, Nemo, Small, and the newer ones that name the tool before its arguments:
//
//   [TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Rio"}}]
//   [TOOL_CALLS]weather[ARGS]{"city": "Rio"}
#include "text/answer/call_format.h"
#include "text/answer/marked_calls.h"

namespace batucada {

const CallFamily& MistralCalls() {
  static const CallFamily family = {
      .format = CallFormat::kMistral,
      .name = "mistral",
      .matches = [](std::string_view source) { return source.find("[TOOL_CALLS]") != source.npos; },
      .make_parser = [](const std::vector<std::string>*) -> std::unique_ptr<CallParser> {
        return std::make_unique<MarkedCallParser>(
            CallMarks{.begins = {"[TOOL_CALLS]"}, .end = "", .at_start = false, .behind_name = "[ARGS]"}, nullptr);
      },
      .frame = {.trigger = "[TOOL_CALLS]",
                .open = "[TOOL_CALLS][",
                .before_name = "{\"name\": ",
                .before_arguments = ", \"arguments\": ",
                .behind = "}",
                .separator = ", ",
                .close = "]"},
      .marks = {"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"}};
  return family;
}

}  // namespace batucada
