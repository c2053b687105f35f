// Calls that have text generated: Generate and Chat stream it, Complete sends it at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "batucada/v1/batucada.pb.h"
#include "server/generate/generation_group.h"
#include "server/generate/service.h"
#include "server/grpc/call.h"
#include "server/grpc/chat_answer.h"
#include "server/grpc/wire_pieces.h"

namespace batucada {

// What the engine has taken.
struct SubmittedGeneration {
  std::unique_ptr<GenerationGroup> group;
  std::vector<std::string> echo;  // of each choice, if it was asked for
  size_t choices = 0;
  bool with_logprobs = false;
  std::shared_ptr<const AnswerForm> form = nullptr;  // of a conversation's answers, if there is more in them than text
};

// From the message to the engine, on any thread.
using SubmitGeneration =
    std::function<absl::StatusOr<SubmittedGeneration>(Service&, const WireMessage&, const CallInfo&, Reader)>;
absl::StatusOr<SubmittedGeneration> SubmitGenerateRequest(Service& service, const WireMessage& message,
                                                          const CallInfo& info, Reader reader);
absl::StatusOr<SubmittedGeneration> SubmitChatRequest(Service& service, const WireMessage& message,
                                                      const CallInfo& info, Reader reader);

class GenerationCall : public CallHandler {
 public:
  GenerationCall(Service& service, Call& call, SubmitGeneration submit, Reader reader)
      : CallHandler(call), service_(service), submit_(std::move(submit)), reader_(reader) {}

  void OnMessage(WireMessage message) final;
  void OnWake() final { Pump(); }
  void OnDrained() final { Pump(); }

 protected:
  // Once, before anything else.
  virtual void Begin() {}
  virtual void Pump() = 0;

  Service& service() { return service_; }
  SubmittedGeneration& generation() { return generation_; }
  // Null before the engine has the request, and after Finish.
  GenerationGroup* group() { return generation_.group.get(); }
  void Finish(const absl::Status& status);

 private:
  Service& service_;
  const SubmitGeneration submit_;
  const Reader reader_;
  SubmittedGeneration generation_;
};

// A client that reads slowly leaves its tokens in its generations' own buffers.
class StreamedGeneration : public GenerationCall {
 public:
  StreamedGeneration(Service& service, Call& call, SubmitGeneration submit)
      : GenerationCall(service, call, std::move(submit), Reader::kClient) {}

 protected:
  void Begin() override;
  void Pump() override;

 private:
  v1::GenerateResponse Take(size_t index, Update& update);

  std::vector<ChatAnswer> answers_;  // of each choice; none: they are text
};

// Becomes bytes as it is generated, and is sent as the client takes it.
class WholeGeneration : public GenerationCall {
 public:
  WholeGeneration(Service& service, Call& call, SubmitGeneration submit)
      : GenerationCall(service, call, std::move(submit), Reader::kServer) {}

 protected:
  void Begin() override;
  void Pump() override;

 private:
  struct Choice {
    std::string text;
    WirePieces rest;
  };
  void Take(size_t index, const Update& update);
  // Once all choices have ended.
  WirePieces TakeResponse();

  WirePieces prompt_;  // its scores
  std::vector<Choice> choices_;
  std::optional<WirePieces> unsent_;  // once all choices have ended
};

}  // namespace batucada
