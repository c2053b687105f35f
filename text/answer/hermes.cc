// Hermes 2 and 3, Qwen 2.5 and 3, Jamba Reasoning, and many that were trained on their data:
//
//   <tool_call>
//   {"name": "weather", "arguments": {"city": "Rio"}}
//   </tool_call>
#include "text/answer/call_format.h"
#include "text/answer/marked_calls.h"

namespace batucada {

const CallFamily& HermesCalls() {
  static const CallFamily family = {
      .format = CallFormat::kHermes,
      .name = "hermes",
      .matches =
          [](std::string_view source) {
            // Qwen 3 Coder's calls have the same mark and are XML.
            return source.find("<tool_call>") != source.npos && source.find("<function=") == source.npos;
          },
      .make_parser = [](const std::vector<std::string>*) -> std::unique_ptr<CallParser> {
        return std::make_unique<MarkedCallParser>(CallMarks{.begins = {"<tool_call>"}, .end = "</tool_call>"}, nullptr);
      },
      .frame = {.trigger = "<tool_call>",
                .open = "<tool_call>\n",
                .before_name = "{\"name\": ",
                .before_arguments = ", \"arguments\": ",
                .behind = "}\n</tool_call>",
                .separator = "\n<tool_call>\n",
                .close = ""},
      .marks = {"<tool_call>", "</tool_call>"}};
  return family;
}

}  // namespace batucada
