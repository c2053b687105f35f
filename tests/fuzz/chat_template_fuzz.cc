// Chat templates from strangers: parsed or refused, and rendered within bounds of time and memory.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace batucada;
  const auto parsed =
      ChatTemplate::Parse({reinterpret_cast<const char*>(data), size}, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  if (!parsed.ok()) {
    if (parsed.status().message().empty()) std::abort();
    return 0;
  }
  ChatInput input;
  input.messages = {{{"role", "system"}, {"content", "Be brief."}},
                    {{"role", "user"}, {"content", "Hello"}},
                    {{"role", "assistant"}, {"content", "Hi"}},
                    {{"role", "user"}, {"content", "Bye"}}};
  input.ending = ChatEnding::kGenerationPrompt;
  input.now = absl::UnixEpoch();
  static_cast<void>((*parsed)->Render(input));
  return 0;
}
