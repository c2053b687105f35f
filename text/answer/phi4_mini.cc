// Phi-4-mini and Phi-4-mini-flash; functools is what the model writes where it is told so:
//
//   <|tool_call|>[{"type": "function", "function": {"name": "weather", "arguments": {"city": "Rio"}}}]<|/tool_call|>
//   functools[{"name": "weather", "arguments": {"city": "Rio"}}]
#include "text/answer/call_format.h"
#include "text/answer/marked_calls.h"

namespace batucada {

const CallFamily& Phi4MiniCalls() {
  static const CallFamily family = {
      .format = CallFormat::kPhi4Mini,
      .name = "phi4_mini_json",
      .matches =
          [](std::string_view source) {
            return source.find("<|tool|>") != source.npos || source.find("<|tool_call|>") != source.npos ||
                   source.find("functools[") != source.npos;
          },
      .make_parser = [](const std::vector<std::string>*) -> std::unique_ptr<CallParser> {
        return std::make_unique<MarkedCallParser>(
            CallMarks{.begins = {"<|tool_call|>", "functools"}, .end = "<|/tool_call|>"}, nullptr);
      },
      .frame = {.trigger = "<|tool_call|>",
                .open = "<|tool_call|>[",
                .before_name = "{\"type\": \"function\", \"function\": {\"name\": ",
                .before_arguments = ", \"arguments\": ",
                .behind = "}}",
                .separator = ", ",
                .close = "]<|/tool_call|>"},
      .marks = {"<|tool_call|>", "<|/tool_call|>", "functools"}};
  return family;
}

}  // namespace batucada
