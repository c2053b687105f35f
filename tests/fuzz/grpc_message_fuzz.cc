// What gRPC's messages become: whatever comes, it is cut into messages, decompressed, parsed and converted, or refused
// with a message, within bounds. The first byte says as what it is read.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "absl/status/status.h"
#include "batucada/v1/batucada.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "inference/open_inference.pb.h"
#include "server/grpc/generate_request.h"
#include "server/grpc/infer_proto.h"
#include "server/grpc/message.h"
#include "server/open_inference/infer_request.h"

namespace {

using namespace batucada;

constexpr MessageBounds kBounds = {.bytes = 1 << 20, .parts = 5000, .numbers = 100'000};

void Expect(const absl::Status& status) {
  if (!status.ok() && status.message().empty()) std::abort();
}

template <typename Message>
bool Decode(const WireMessage& wire, Message* message) {
  const absl::Status status = DecodeMessage(wire, kBounds, message);
  Expect(status);
  // What is refused was refused before anything was made of it.
  if (absl::IsResourceExhausted(status) && message->ByteSizeLong() != 0) std::abort();
  if (!status.ok()) return false;
  const std::string framed = FrameMessage(*message);
  if (framed.size() != message->ByteSizeLong() + 5) std::abort();
  return true;
}

void Convert(const WireMessage& wire, unsigned kind) {
  switch (kind % 7) {
    case 0:
      if (v1::GenerateRequest request; Decode(wire, &request)) Expect(ParseGenerateRequest(request).status());
      break;
    case 1:
      if (v1::ChatRequest request; Decode(wire, &request)) Expect(ParseChatRequest(request).status());
      break;
    case 2:
      if (inference::ModelInferRequest request; Decode(wire, &request)) {
        const auto infer = FromProto(request);
        Expect(infer.status());
        for (const InferCall call : {InferCall::kOneResponse, InferCall::kStream}) {
          if (infer.ok()) Expect(PlanInfer(*infer, call).status());
        }
      }
      break;
    case 3:
      if (v1::TokenizeRequest request; Decode(wire, &request)) break;
      break;
    case 4:
      if (v1::DetokenizeRequest request; Decode(wire, &request)) break;
      break;
    case 5:
      if (grpc::reflection::v1::ServerReflectionRequest request; Decode(wire, &request)) break;
      break;
    default:
      if (grpc::health::v1::HealthCheckRequest request; Decode(wire, &request)) break;
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const unsigned kind = data[0] & 0x0f, form = data[0] >> 4;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const MessageEncoding encoding = static_cast<MessageEncoding>(form % 3);
  Convert({.encoding = encoding, .bytes = std::string(bytes)}, kind);
  // Framed, and in pieces: no boundary of theirs may matter.
  MessageReader reader(kBounds.bytes, encoding);
  const size_t piece = 1 + form;
  while (!bytes.empty()) {
    std::string_view some = bytes.substr(0, piece);
    bytes.remove_prefix(some.size());
    while (!some.empty()) {
      auto message = reader.Read(&some);
      Expect(message.status());
      if (!message.ok()) return 0;
      if (message->has_value()) Convert(**message, kind);
    }
  }
  return 0;
}
