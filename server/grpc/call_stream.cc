#include "server/grpc/call_stream.h"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/clock.h"
#include "base/rounding.h"
#include "base/status.h"
#include "server/grpc/grpc_headers.h"

namespace batucada {
namespace {

constexpr absl::Duration kOverDeadline = absl::Seconds(2);
constexpr int64_t kUnsentFree = 64 << 10;  // bytes of an answer that wait for the client and are charged to nobody

}  // namespace

CallStream::CallStream(int32_t stream, Http2Session& session, const GrpcMethod& method, CallInfo info,
                       MessageEncoding encoding, const HttpLimits& limits, MemoryAccount& memory, Disposer* disposer,
                       MemoryCharge place, Hooks hooks)
    : stream_(stream), session_(session), method_(method), info_(std::move(info)), limits_(limits), memory_(memory),
      disposer_(disposer), hooks_(std::move(hooks)),
      reader_(std::make_shared<MessageReader>(limits.max_body_bytes, encoding)), place_(std::move(place)),
      owed_by_(method.requests == GrpcMethod::Requests::kOne ? ProcessNow() + limits.read_timeout
                                                             : absl::InfiniteFuture()) {}

CallStream::~CallStream() { Cancel(); }

void CallStream::Start() {
  handler_ = method_.start(*this);
  handler_->OnStart();
}

void CallStream::OnData(std::string_view bytes) {
  if (finished_) return session_.Consume(stream_, bytes.size());
  if (const absl::Status status = ChargeReceived(bytes.size()); !status.ok()) {
    session_.Consume(stream_, bytes.size());
    return Finish(status);
  }
  waiting_.append(bytes);
  // Bytes buy time (patience.h), up to what there was at the start.
  const auto bought = absl::Seconds(static_cast<double>(bytes.size()) / static_cast<double>(limits_.min_transfer_rate));
  owed_by_ = std::min(owed_by_ + bought, std::max(owed_by_, ProcessNow() + limits_.read_timeout));
  TakeMessages();
}

// Small messages are charged to nobody: there are at most max_streams of them on a connection.
absl::Status CallStream::ChargeReceived(size_t more) {
  constexpr int64_t kFree = 8 << 10, kStep = 64 << 10;
  const auto held = static_cast<int64_t>(reader_->held() + waiting_.size() + more);
  if (held <= std::max(kFree, received_.bytes())) return absl::OkStatus();
  const int64_t steps = RoundUp(held, kStep);
  if (received_.bytes() > 0) return received_.Resize(steps);
  BATUCADA_ASSIGN_OR_RETURN(received_, memory_.Charge(MemoryPart::kBody, steps));
  return absl::OkStatus();
}

// A stream's window is given back only for bytes that went into a message: while reading is paused, the client stops.
void CallStream::TakeMessages() {
  if (taking_) return;  // a handler resumed reading from within
  taking_ = true;
  std::string_view rest = waiting_;
  while (!finished_ && !paused_ && !rest.empty()) {
    const size_t before = rest.size();
    auto message = reader_->Read(&rest);
    session_.Consume(stream_, before - rest.size());
    if (!message.ok()) {
      Finish(message.status());
      break;
    }
    if (!message->has_value()) break;
    if (++messages_ > 1 && method_.requests == GrpcMethod::Requests::kOne) {
      Finish(absl::InvalidArgumentError("the method takes one message, and the call has more"));
      break;
    }
    owed_by_ = absl::InfiniteFuture();
    const std::shared_ptr<CallHandler> handler = handler_;  // it may finish the call
    (*message)->charge = std::move(received_);
    handler->Guarded([&] { handler->OnMessage(*std::move(*message)); });
  }
  if (finished_) {
    session_.Consume(stream_, rest.size());
    rest = {};
  }
  waiting_.erase(0, waiting_.size() - rest.size());
  if (waiting_.empty()) std::exchange(waiting_, {});
  taking_ = false;
  if (finished_) return;  // and there is no reader any more
  if (reader_->within_message() && owed_by_ == absl::InfiniteFuture()) owed_by_ = ProcessNow() + limits_.read_timeout;
  if (ended_ && !paused_ && !std::exchange(end_told_, true)) {
    if (reader_->within_message() || (messages_ == 0 && method_.requests == GrpcMethod::Requests::kOne)) {
      return Finish(absl::InvalidArgumentError("the call ended before its message was whole"));
    }
    const std::shared_ptr<CallHandler> handler = handler_;
    handler->Guarded([&] { handler->OnEnd(); });
  }
}

void CallStream::OnEnd() {
  ended_ = true;
  if (!finished_) TakeMessages();
}

void CallStream::OnDrained() {
  unsent_.Release();
  if (finished_) return;
  const std::shared_ptr<CallHandler> handler = handler_;
  handler->Guarded([&] { handler->OnDrained(); });
}

void CallStream::OnTick() {
  if (finished_) return;
  // Handlers that generate end with what they have; whoever has not within a moment is ended here.
  const absl::Time now = ProcessNow();
  if (messages_ == 0 && info_.deadline <= now) {
    return Finish(absl::DeadlineExceededError("the call's deadline passed before its message was there"));
  }
  if (info_.deadline + kOverDeadline <= now) return Finish(absl::DeadlineExceededError("the call's deadline passed"));
  const std::shared_ptr<CallHandler> handler = handler_;
  handler->Guarded([&] { handler->OnTick(); });
}

void CallStream::EndIfIdle() {
  if (finished_) return;
  const bool idle = !reader_->within_message() && waiting_.empty() && drained() && (messages_ == 0 || handler_->idle());
  idle_ticks_ = idle ? idle_ticks_ + 1 : 0;
  if (idle_ticks_ < 2) return;  // a message may follow its head at once
  Finish(absl::UnavailableError("the server is shutting down: call another, or again later"));
}

void CallStream::ResumeReading() {
  if (!std::exchange(paused_, false) || taking_) return;
  // Not from within the handler, which may be in the midst of something.
  boost::asio::post(hooks_.executor, [weak = std::weak_ptr(handler_), this] {
    if (const auto handler = weak.lock(); handler == nullptr || handler->over()) return;
    TakeMessages();
    hooks_.kick();
  });
}

void CallStream::Send(const google::protobuf::MessageLite& message) { SendFramed(FrameMessage(message)); }

void CallStream::SendFramed(std::string_view framed) {
  if (finished_) return;
  if (!std::exchange(answered_, true)) session_.Answer(stream_, AnswerHeaders(info_.origin.request_id));
  session_.Write(stream_, framed);
  sent_ += framed.size();
  if (const auto unsent = static_cast<int64_t>(session_.Unsent(stream_)); unsent > kUnsentFree) {
    unsent_.Release();
    absl::StatusOr<MemoryCharge> charge = memory_.Charge(MemoryPart::kAnswer, unsent);
    if (!charge.ok()) return Finish(charge.status());
    unsent_ = *std::move(charge);
  }
  hooks_.kick();
}

void CallStream::Finish(const absl::Status& status) {
  if (finished_) return;
  if (!std::exchange(answered_, true)) session_.Answer(stream_, AnswerHeaders(info_.origin.request_id));
  session_.End(stream_, StatusTrailers(status));
  EndHandler(status);
  hooks_.kick();
}

void CallStream::Cancel() {
  if (!finished_) EndHandler(absl::CancelledError("the client cancelled the call"));
}

void CallStream::EndHandler(const absl::Status& status) {
  finished_ = true;
  owed_by_ = absl::InfiniteFuture();
  const size_t held = reader_->held();
  if (disposer_ != nullptr) disposer_->Dispose(std::exchange(reader_, nullptr), held, std::move(received_));
  reader_ = nullptr;
  received_.Release();
  hooks_.finished(method_, status);
  if (handler_ == nullptr) return;
  handler_->NoteOver();
  // Whoever called this may be the handler itself: it goes when that has returned. It may hold all that it has sent,
  // and one whose client is gone what it had yet to send.
  const size_t kept = absl::IsCancelled(status) ? Disposer::kLarge : sent_;
  boost::asio::post(hooks_.executor, [handler = std::move(handler_), disposer = disposer_, kept]() mutable {
    if (disposer != nullptr) disposer->Dispose(std::move(handler), kept, {});
  });
}

}  // namespace batucada
