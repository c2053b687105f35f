// Bodies of /v1/completions: whatever comes, it is read or refused with a message.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/http/completion_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto params = batucada::ParseCompletionRequest({reinterpret_cast<const char*>(data), size});
  if (!params.ok() && params.status().message().empty()) std::abort();
  return 0;
}
