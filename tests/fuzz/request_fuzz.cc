// Bodies of every route that generates: whatever comes, each reader takes it or refuses it with a message.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "server/open_inference/infer_json.h"
#include "server/open_inference/infer_request.h"
#include "server/openai/chat_request.h"
#include "server/openai/completion_request.h"

namespace {

void Expect(const absl::Status& status) {
  if (!status.ok() && status.message().empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace batucada;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  Expect(ParseCompletionRequest(body).status());
  Expect(ParseChatRequest(body).status());
  UnknownMembers unknown = {.policy = UnknownMembers::Policy::kIgnore};
  Expect(ParseCompletionRequest(body, &unknown).status());
  Expect(ParseChatRequest(body, &unknown).status());
  if (unknown.List().size() > 4096) std::abort();
  for (const InferCall call : {InferCall::kOneResponse, InferCall::kStream}) {
    const auto generate = ParseGenerate(body, call);
    Expect(generate.status());
    if (generate.ok()) Expect(PlanInfer(*generate, call).status());
  }
  // The JSON alone, and with what follows its last brace as binary tensors.
  const size_t end = body.rfind('}') + 1;  // 0 if there is none
  for (const std::optional<size_t> json_bytes : {std::optional<size_t>(), std::optional(end)}) {
    const auto infer = ParseInfer(body, json_bytes);
    Expect(infer.status());
    if (infer.ok()) Expect(PlanInfer(infer->request, InferCall::kOneResponse).status());
  }
  return 0;
}
