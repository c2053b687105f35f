#include "server/grpc/grpc_connection.h"

#include <algorithm>
#include <exception>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/clock.h"
#include "base/json.h"
#include "server/common/request_id.h"
#include "server/grpc/grpc_headers.h"

namespace batucada {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr size_t kReadBytes = 32 << 10;    // asked of the socket at once
constexpr size_t kWriteBytes = 64 << 10;   // taken from the session at once
constexpr size_t kTurnBytes = 64 << 10;    // written before other connections have a turn
constexpr size_t kMaxQueuedFrames = 1000;  // past it nothing is read until the client has read
constexpr int kMaxOpenCalls = 16;          // calls that need no key, at once: a few who watch health
constexpr absl::Duration kTick = absl::Seconds(1);
constexpr absl::Duration kLinger = absl::Seconds(2);               // for a client to read the last bytes
constexpr absl::Duration kGoAwayNotice = absl::Milliseconds(200);  // from announcing GOAWAY until it counts

std::chrono::steady_clock::time_point ToSteady(absl::Time time) {
  if (time == absl::InfiniteFuture()) return Event::Never();
  return std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(time - ProcessNow());
}

// What a client that speaks HTTP/1 to this port can read.
constexpr std::string_view kNotHttp2 =
    "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
    "content-length: 67\r\n\r\nthis port speaks gRPC over HTTP/2; HTTP's own is the one of --port\n";
static_assert(kNotHttp2.substr(kNotHttp2.find("\r\n\r\n") + 4).size() == 67);

}  // namespace

GrpcConnection::GrpcConnection(std::unique_ptr<ByteStream> stream, GrpcContext& context, Client client,
                               std::function<void()> on_end)
    : stream_(std::move(stream)), context_(context), client_(client), on_end_(std::move(on_end)),
      session_({.max_streams = context.limits.max_streams,
                .max_header_bytes = context.service.config.http.max_header_bytes,
                .answer_timeout = context.service.config.http.write_timeout,
                .min_transfer_rate = context.service.config.http.min_transfer_rate},
               *this),
      patience_(stream_->executor()),
      write_patience_(context.service.config.http.write_timeout, context.service.config.http.min_transfer_rate),
      work_(stream_->executor()), room_(stream_->executor()), opened_(ProcessNow()), idle_since_(opened_) {}

GrpcConnection::~GrpcConnection() {
  calls_.clear();
  on_end_();
}

void GrpcConnection::Start() { asio::co_spawn(executor(), WriteLoop(shared_from_this()), asio::detached); }

void GrpcConnection::NoticeClosing() {
  // Without a notice: the server has been unready for a while, and what comes too late may be sent elsewhere.
  leaving_ = true;
  if (!left_) MeanIt(ProcessNow());
}

void GrpcConnection::Close() {
  closed_ = true;
  stream_->Close();
  for (auto& [id, call] : Calls(calls_)) call->Cancel();
  work_.Notify();
  room_.Notify();
}

void GrpcConnection::BePatient(absl::Duration duration) {
  patience_.expires_after(absl::ToChronoNanoseconds(duration));
  patience_.async_wait([weak = weak_from_this()](error_code cancelled) {
    const auto self = weak.lock();
    if (!cancelled && self != nullptr) self->Close();
  });
}

// --- bytes -----------------------------------------------------------------------------------------------------------

asio::awaitable<void> GrpcConnection::ReadLoop(std::shared_ptr<GrpcConnection>) {
  try {
    co_await ReadOn();
  } catch (const std::exception& exception) {  // without a reader nobody would see the client go
    spdlog::error("a gRPC connection ended by an exception: {}", exception.what());
    Close();
  }
}

asio::awaitable<void> GrpcConnection::ReadOn() {
  while (!closed_) {
    if (session_.queued_frames() > kMaxQueuedFrames) {
      co_await room_.WaitUntil(Event::Never());
      continue;
    }
    error_code error;
    co_await stream_->Read(inbox_, kReadBytes, error);
    if (error) {
      Close();
      break;
    }
    const auto bytes = inbox_.data();
    const bool first = !session_.greeted();
    // What comes behind the end is read and dropped, so that the client can read what it was told.
    if (receiving_ && !session_.Receive({static_cast<const char*>(bytes.data()), bytes.size()})) {
      receiving_ = false;
      if (first && !session_.greeted()) {
        error_code ignored;
        stream_->WriteNow(asio::buffer(kNotHttp2), ignored);
      }
    }
    inbox_.clear();
    inbox_.shrink_to_fit();  // who is silent holds nothing
    work_.Notify();
  }
}

asio::awaitable<void> GrpcConnection::WriteLoop(std::shared_ptr<GrpcConnection> self) {
  try {
    BePatient(context_.limits.handshake_timeout);
    if (const error_code error = co_await stream_->Open(); error) closed_ = true;
    patience_.cancel();
    if (!closed_) asio::co_spawn(executor(), ReadLoop(self), asio::detached);
    std::string out;
    size_t at_a_stretch = 0;  // bytes since the thread's other connections had a turn
    while (!closed_) {
      out.clear();
      // Not a word to who has not said that he speaks HTTP/2.
      if (session_.greeted() || session_.ending()) session_.TakeOutput(kWriteBytes, &out);
      if (!out.empty()) {
        if (!co_await Write(out)) break;
        room_.Notify();
        at_a_stretch += out.size();
        if (at_a_stretch >= kTurnBytes) {
          at_a_stretch = 0;
          co_await asio::post(executor(), asio::use_awaitable);
        }
        continue;
      }
      if (!receiving_ || session_.over() || (left_ && calls_.empty())) {
        co_await Part();
        break;
      }
      const absl::Time due = CheckClocks(ProcessNow());
      if (closed_) break;
      out.shrink_to_fit();  // likewise
      at_a_stretch = 0;
      co_await work_.WaitUntil(ToSteady(due));
    }
  } catch (const std::exception& exception) {
    spdlog::error("a gRPC connection ended by an exception: {}", exception.what());
  }
  Close();
}

asio::awaitable<bool> GrpcConnection::Write(const std::string& bytes) {
  size_t written = 0;
  while (written < bytes.size() && !closed_) {
    const asio::const_buffer rest(bytes.data() + written, bytes.size() - written);
    error_code error;
    size_t size = stream_->WriteNow(rest, error);
    if (error == asio::error::would_block) {
      const absl::Time asked = ProcessNow();
      BePatient(write_patience_.left());
      size = co_await stream_->WriteSome(rest, error);
      patience_.cancel();
      write_patience_.OnWaited(ProcessNow() - asked);
    }
    if (error) co_return false;
    write_patience_.OnMoved(size);
    written += size;
  }
  co_return !closed_;
}

// A connection that is closed with bytes unread is reset, and the client may lose what it was sent.
asio::awaitable<void> GrpcConnection::Part() {
  BePatient(kLinger);
  co_await stream_->EndWriting();
  receiving_ = false;
  while (!closed_) co_await work_.WaitUntil(Event::Never());
}

// --- clocks ----------------------------------------------------------------------------------------------------------

absl::Time GrpcConnection::CheckClocks(absl::Time now) {
  const GrpcLimits& limits = context_.limits;
  if (!session_.greeted()) {
    const absl::Time due = opened_ + limits.handshake_timeout;
    if (now >= due || context_.closing) Close();
    return due;
  }
  if (leaving_ && !left_ && now >= notice_until_) MeanIt(now);
  if (now >= leave_by_) Close();
  if (!leaving_ && (now >= opened_ + limits.max_age || (calls_.empty() && now >= idle_since_ + limits.idle_timeout))) {
    Leave();
    return now;
  }
  if (now - checked_ >= kTick) CheckCalls(now);
  if (leaving_ && !left_) return notice_until_;
  if (!calls_.empty()) return checked_ + kTick;
  return std::min(opened_ + limits.max_age, idle_since_ + limits.idle_timeout);
}

// Says that no new requests will be taken, and a little later means it: those on their way are still answered.
void GrpcConnection::Leave() {
  if (std::exchange(leaving_, true)) return;
  session_.AnnounceGoAway();
  notice_until_ = ProcessNow() + kGoAwayNotice;
}

void GrpcConnection::MeanIt(absl::Time now) {
  left_ = true;
  session_.GoAway();
  // A server that ends has a deadline of its own.
  leave_by_ = context_.closing ? absl::InfiniteFuture() : now + context_.limits.max_age_grace;
  work_.Notify();
}

void GrpcConnection::CheckCalls(absl::Time now) {
  checked_ = now;
  const ServerConfig& config = context_.service.config;
  for (const int32_t stream : session_.Stalled(now)) {
    session_.Reset(stream);
    work_.Notify();
  }
  for (auto& [stream, call] : Calls(calls_)) {  // a copy: calls end
    if (now >= call->owed_by()) {
      call->Finish(absl::DeadlineExceededError(fmt::format("the call's message took longer than {} (--read-timeout)",
                                                           absl::FormatDuration(config.http.read_timeout))));
    } else {
      call->OnTick();
    }
    if (left_ && context_.closing) call->EndIfIdle();
  }
}

// --- requests --------------------------------------------------------------------------------------------------------

void GrpcConnection::OnRequest(int32_t stream, Http2Headers headers, bool too_large) {
  if (const int http_status = HttpStatusOfRequest(headers); http_status != 200 && !too_large) {
    return session_.AnswerOnly(stream, {{":status", std::to_string(http_status)}});
  }
  const std::string_view path = HeaderOf(headers, ":path");
  const auto found = context_.methods.find(path);
  const GrpcMethod* const method = found == context_.methods.end() ? nullptr : &found->second;

  std::string id(HeaderOf(headers, "x-request-id"));
  if (!IsSoundRequestId(id)) id = NewRequestId();
  CallInfo info{.origin = {.api = method == nullptr ? "grpc" : method->api,
                           .request_id = std::move(id),
                           .trace = ReadTraceparent(HeaderOf(headers, "traceparent")),
                           .client = client_}};
  const auto refuse = [&](const absl::Status& status) { Refuse(stream, method, info.origin, status); };
  if (too_large) {
    return refuse(absl::ResourceExhaustedError(fmt::format(
        "the call's headers have more than {} bytes, 32 counted for each besides its own (--max-header-bytes)",
        context_.service.config.http.max_header_bytes)));
  }
  const auto keys =
      std::count_if(headers.begin(), headers.end(), [](const auto& header) { return header.first == "authorization"; });
  if (keys > 1) {
    return refuse(absl::InvalidArgumentError("there is more than one 'authorization' in the metadata: send one"));
  }
  const std::optional<Client> known = context_.service.keys.FindAuthorization(HeaderOf(headers, "authorization"));
  if (known) {
    info.origin.client.key = known->key;
    info.origin.client.rights = known->rights;
  }
  // Triton's clients call more of the Open Inference Protocol than there is here; without a message they would not know
  // what failed.
  if (method == nullptr) {
    return refuse(absl::UnimplementedError(fmt::format("{} is not offered by this server", Printable(path))));
  }
  if (!known && method->access == GrpcMethod::Access::kKey) {
    return refuse(absl::UnauthenticatedError(
        "an API key of this server is needed: send the metadata 'authorization: Bearer KEY'"));
  }
  const std::string_view encoding = HeaderOf(headers, "grpc-encoding");
  const std::optional<MessageEncoding> decoded = ParseEncoding(encoding);
  if (!decoded) {
    return refuse(absl::UnimplementedError(
        fmt::format("grpc-encoding is {}: this server decodes {}", Printable(encoding), kAcceptedEncodings)));
  }
  const absl::StatusOr<absl::Duration> timeout = ParseTimeout(HeaderOf(headers, "grpc-timeout"));
  if (!timeout.ok()) return refuse(timeout.status());
  info.deadline = ProcessNow() + *timeout;

  // Also a call that asks for nothing holds something, and health needs no key.
  if (method->access == GrpcMethod::Access::kOpen && OpenCalls() >= kMaxOpenCalls) {
    return refuse(absl::ResourceExhaustedError(
        fmt::format("{} calls that need no key run on this connection: no more may at once", kMaxOpenCalls)));
  }
  absl::StatusOr<MemoryCharge> place = context_.service.memory.Charge(MemoryPart::kBody, CallStream::kPlaceBytes);
  if (!place.ok()) return refuse(place.status());

  untried_ = false;
  CallStream::Hooks hooks{
      .executor = executor(),
      .kick = [this] { work_.Notify(); },
      .finished = [&metrics = context_.service.metrics](
                      const GrpcMethod& ended,
                      const absl::Status& status) { metrics.OnGrpcEnd(ended.name, static_cast<int>(status.code())); }};
  const auto call =
      std::make_shared<CallStream>(stream, session_, *method, std::move(info), *decoded, context_.service.config.http,
                                   context_.service.memory, context_.disposer, *std::move(place), std::move(hooks));
  calls_.emplace(stream, call);
  call->Start();
}

void GrpcConnection::Refuse(int32_t stream, const GrpcMethod* method, const RequestOrigin& origin,
                            const absl::Status& status) {
  context_.service.metrics.OnGrpcEnd(method == nullptr ? "unknown" : method->name, static_cast<int>(status.code()));
  // Counted, and no more: a line for each in the log would be a stranger's to fill.
  context_.service.metrics.OnRejected(status);
  Http2Headers answer = AnswerHeaders(origin.request_id);
  for (auto& trailer : StatusTrailers(status)) answer.push_back(std::move(trailer));
  session_.AnswerOnly(stream, answer);
}

int GrpcConnection::OpenCalls() const {
  return static_cast<int>(std::count_if(calls_.begin(), calls_.end(), [](const auto& entry) {
    return entry.second->open_to_all() && !entry.second->finished();
  }));
}

std::shared_ptr<CallStream> GrpcConnection::Find(int32_t stream) {
  const auto found = calls_.find(stream);
  return found == calls_.end() ? nullptr : found->second;
}

void GrpcConnection::OnData(int32_t stream, std::string_view bytes) {
  if (const auto call = Find(stream)) return call->OnData(bytes);
  session_.Consume(stream, bytes.size());
}

void GrpcConnection::OnEnd(int32_t stream) {
  if (const auto call = Find(stream)) call->OnEnd();
}

void GrpcConnection::OnDrained(int32_t stream) {
  if (const auto call = Find(stream)) call->OnDrained();
}

void GrpcConnection::OnClosed(int32_t stream) {
  const auto call = Find(stream);
  if (call == nullptr) return;
  calls_.erase(stream);
  call->Cancel();
  if (calls_.empty() && !leaving_) idle_since_ = ProcessNow();
  work_.Notify();
}

}  // namespace batucada
