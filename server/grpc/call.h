// One gRPC call: who makes it, and what its handler can do with it. How it goes over HTTP/2 is its connection's matter.
//
// Everything here happens on the connection's thread. A handler that lets other threads work gets back to it by Post.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <google/protobuf/message_lite.h>
#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/common/client.h"
#include "server/grpc/message.h"
#include "server/telemetry/request_record.h"

namespace batucada {

// What came with the call.
struct CallInfo {
  RequestOrigin origin;                          // its api is the method's
  absl::Time deadline = absl::InfiniteFuture();  // until when its client waits
};

class Call {
 public:
  virtual ~Call() = default;

  virtual const CallInfo& info() const = 0;
  virtual boost::asio::any_io_executor executor() const = 0;

  // A message for the client, in order.
  virtual void Send(const google::protobuf::MessageLite& message) = 0;
  virtual void SendFramed(std::string_view framed) = 0;
  // Everything that was sent has been taken by the client, or at least by the kernel.
  virtual bool drained() const = 0;
  // No more messages are given to the handler, and soon the client sends none, until reading is resumed.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  // The call's end, once. The handler goes soon after it has returned, and must not use the call any more.
  virtual void Finish(const absl::Status& status) = 0;
};

// What answers one call. It is destroyed when the call is over, or its client gone: what it still has running is then
// to be given up.
class CallHandler : public std::enable_shared_from_this<CallHandler> {
 public:
  explicit CallHandler(Call& call) : call_(call) {}
  virtual ~CallHandler() = default;
  CallHandler(const CallHandler&) = delete;
  CallHandler& operator=(const CallHandler&) = delete;

  // Right after it was made.
  virtual void OnStart() {}
  virtual void OnMessage(WireMessage message) = 0;
  // The client sends no more messages.
  virtual void OnEnd() {}
  // What was sent is gone.
  virtual void OnDrained() {}
  // About once a second.
  virtual void OnTick() {}
  // What Waker announces.
  virtual void OnWake() {}
  // Nothing that its client asked for is under way: a server that ends does not wait for it.
  virtual bool idle() const { return false; }

  // Runs `step`, which is of this handler. A library's exception, or memory that ran out, ends the call and no more.
  void Guarded(const std::function<void()>& step);

  // The call is over, and may be gone: nothing of the above is called any more, and call() must not be.
  void NoteOver() { over_ = true; }
  bool over() const { return over_; }

 protected:
  Call& call() { return call_; }
  const CallInfo& info() const { return call_.info(); }

  // Has OnWake called soon on the call's thread, if the call is still there. Thread-safe; several at once become one.
  std::function<void()> Waker();

 private:
  Call& call_;
  bool over_ = false;
};

}  // namespace batucada
