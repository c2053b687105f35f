// Jamba 1.5 and later:
//
//   <tool_calls>[
//   {"name": "weather", "arguments": {"city": "Rio"}}
//   ]</tool_calls>
#include "text/answer/call_format.h"
#include "text/answer/marked_calls.h"

namespace batucada {

const CallFamily& JambaCalls() {
  static const CallFamily family = {
      .format = CallFormat::kJamba,
      .name = "jamba",
      .matches = [](std::string_view source) { return source.find("<tool_calls>") != source.npos; },
      .make_parser = [](const std::vector<std::string>*) -> std::unique_ptr<CallParser> {
        return std::make_unique<MarkedCallParser>(CallMarks{.begins = {"<tool_calls>"}, .end = "</tool_calls>"},
                                                  nullptr);
      },
      .frame = {.trigger = "<tool_calls>",
                .open = "<tool_calls>[\n",
                .before_name = "{\"name\": ",
                .before_arguments = ", \"arguments\": ",
                .behind = "}",
                .separator = ",\n",
                .close = "\n]</tool_calls>"},
      .marks = {"<tool_calls>", "</tool_calls>"}};
  return family;
}

}  // namespace batucada
