// A call as its connection has it: messages cut from the stream's bytes, clocks, and the answer's way out.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/config/server_config.h"
#include "server/grpc/call.h"
#include "server/grpc/http2_session.h"
#include "server/grpc/message.h"
#include "server/grpc/methods.h"
#include "server/memory/account.h"
#include "server/memory/disposer.h"

namespace batucada {

// On the connection's thread.
class CallStream final : public Call {
 public:
  static constexpr int64_t kPlaceBytes = 4 << 10;  // what a call holds of its own, until it is over

  // `kick`: there is something to send. `finished`: told once, with the status the call ended with.
  struct Hooks {
    boost::asio::any_io_executor executor;
    std::function<void()> kick;
    std::function<void(const GrpcMethod&, const absl::Status&)> finished;
  };
  CallStream(int32_t stream, Http2Session& session, const GrpcMethod& method, CallInfo info, MessageEncoding encoding,
             const HttpLimits& limits, MemoryAccount& memory, Disposer* disposer, MemoryCharge place, Hooks hooks);
  ~CallStream() override;

  // What the connection tells it.
  void Start();
  void OnData(std::string_view bytes);
  void OnEnd();
  void OnDrained();
  void OnTick();
  // With every tick while the server ends: a call that nothing has been under way for since the last ends, too.
  void EndIfIdle();
  // The client is gone, or takes nothing.
  void Cancel();

  bool finished() const { return finished_; }
  // It needs no key.
  bool open_to_all() const { return method_.access == GrpcMethod::Access::kOpen; }
  // Until when its client has time for the message that it owes; infinite future: it owes none.
  absl::Time owed_by() const { return owed_by_; }

  // Call
  const CallInfo& info() const override { return info_; }
  boost::asio::any_io_executor executor() const override { return hooks_.executor; }
  void Send(const google::protobuf::MessageLite& message) override;
  void SendFramed(std::string_view framed) override;
  bool drained() const override { return session_.Unsent(stream_) == 0; }
  void PauseReading() override { paused_ = true; }
  void ResumeReading() override;
  void Finish(const absl::Status& status) override;

 private:
  void TakeMessages();
  absl::Status ChargeReceived(size_t more);
  void EndHandler(const absl::Status& status);

  const int32_t stream_;
  Http2Session& session_;
  const GrpcMethod& method_;
  const CallInfo info_;
  const HttpLimits& limits_;
  MemoryAccount& memory_;
  Disposer* const disposer_;  // null: what is large goes here
  const Hooks hooks_;
  std::shared_ptr<MessageReader> reader_;  // null once the call has ended
  std::shared_ptr<CallHandler> handler_;
  std::string waiting_;  // bytes that came while reading was paused
  const MemoryCharge place_;
  MemoryCharge received_, unsent_;  // for what is held of messages, and of answers
  absl::Time owed_by_;
  int messages_ = 0;
  int idle_ticks_ = 0;     // in a row, while the server ends
  size_t sent_ = 0;        // bytes of messages
  bool answered_ = false;  // the answer's headers are out
  bool paused_ = false;
  bool taking_ = false;
  bool ended_ = false;  // by the client
  bool end_told_ = false;
  bool finished_ = false;
};

}  // namespace batucada
