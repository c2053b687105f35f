// Llama 3.1 and 3.2: the answer is a call, one at a time, with or without <|python_tag|> before it:
//
//   {"name": "weather", "parameters": {"city": "Rio"}}
#include "text/answer/call_format.h"
#include "text/answer/marked_calls.h"

namespace batucada {

const CallFamily& LlamaJsonCalls() {
  static const CallFamily family = {
      .format = CallFormat::kLlamaJson,
      .name = "llama3_json",
      .matches =
          [](std::string_view source) {
            return source.find("<|python_tag|>") != source.npos && source.find("\"parameters\": ") != source.npos;
          },
      .make_parser = [](const std::vector<std::string>* names) -> std::unique_ptr<CallParser> {
        return std::make_unique<MarkedCallParser>(CallMarks{.begins = {"<|python_tag|>"}, .end = "", .at_start = true},
                                                  names);
      },
      .frame = {.trigger = "",
                .open = "",
                .before_name = "{\"name\": ",
                .before_arguments = ", \"parameters\": ",
                .behind = "}",
                .separator = "",
                .close = "",
                .several = false},
      .marks = {"<|python_tag|>"}};
  return family;
}

}  // namespace batucada
