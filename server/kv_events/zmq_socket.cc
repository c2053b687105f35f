#include "server/kv_events/zmq_socket.h"

#include <zmq.h>

#include <cerrno>

#include <fmt/format.h>

#include "base/status.h"

namespace batucada {
namespace {

constexpr int kMostReceived = 1024;  // bytes of a part that a peer sends
constexpr int kLinger = 500;         // ms for what is on its way at the end

absl::Status Failed(std::string_view what, const std::string& endpoint) {
  return absl::UnavailableError(fmt::format("cannot {} {}: {}", what, endpoint, zmq_strerror(zmq_errno())));
}

}  // namespace

ZmqContext::ZmqContext() : context_(zmq_ctx_new()) { BATUCADA_CHECK(context_ != nullptr); }
ZmqContext::~ZmqContext() { zmq_ctx_term(context_); }

ZmqSocket::ZmqSocket(ZmqContext& context, Kind kind, int32_t queue)
    : socket_(zmq_socket(context.get(), kind == Kind::kPublish ? ZMQ_PUB : ZMQ_ROUTER)) {
  BATUCADA_CHECK(socket_ != nullptr, zmq_strerror(zmq_errno()));
  Set(ZMQ_SNDHWM, queue);
  Set(ZMQ_LINGER, kLinger);
  Set(ZMQ_TCP_KEEPALIVE, 1);
  const int64_t most = kMostReceived;
  BATUCADA_CHECK(zmq_setsockopt(socket_, ZMQ_MAXMSGSIZE, &most, sizeof(most)) == 0);
  // Else what goes to somebody who has left, or does not read, would be lost without a word.
  if (kind == Kind::kAnswer) Set(ZMQ_ROUTER_MANDATORY, 1);
}

ZmqSocket::~ZmqSocket() { zmq_close(socket_); }

void ZmqSocket::Set(int option, int value) {
  BATUCADA_CHECK(zmq_setsockopt(socket_, option, &value, sizeof(value)) == 0, "option ", option);
}

absl::Status ZmqSocket::Listen(const std::string& endpoint) {
  if (endpoint.find('[') != endpoint.npos) Set(ZMQ_IPV6, 1);
  return zmq_bind(socket_, endpoint.c_str()) == 0 ? absl::OkStatus() : Failed("listen at", endpoint);
}

absl::Status ZmqSocket::Connect(const std::string& endpoint) {
  if (endpoint.find('[') != endpoint.npos) Set(ZMQ_IPV6, 1);
  return zmq_connect(socket_, endpoint.c_str()) == 0 ? absl::OkStatus() : Failed("connect to", endpoint);
}

std::string ZmqSocket::endpoint() const {
  char name[512];
  size_t size = sizeof(name);
  return zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, name, &size) == 0 && size > 0 ? std::string(name) : "";
}

ZmqSocket::Sent ZmqSocket::Send(std::initializer_list<std::string_view> parts) {
  size_t left = parts.size();
  for (const std::string_view part : parts) {
    const int flags = ZMQ_DONTWAIT | (--left > 0 ? ZMQ_SNDMORE : 0);
    if (zmq_send(socket_, part.data(), part.size(), flags) >= 0) continue;
    // Only a first part can fail: then its peer has no room, or is gone.
    return zmq_errno() == EAGAIN ? Sent::kLater : Sent::kNobody;
  }
  return Sent::kSent;
}

std::optional<std::vector<std::string>> ZmqSocket::Receive(size_t most) {
  std::vector<std::string> parts;
  for (int more = 1; more != 0;) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, socket_, ZMQ_DONTWAIT) < 0) {
      zmq_msg_close(&message);
      return std::nullopt;
    }
    if (parts.size() < most) {
      parts.emplace_back(static_cast<const char*>(zmq_msg_data(&message)), zmq_msg_size(&message));
    }
    more = zmq_msg_more(&message);
    zmq_msg_close(&message);
  }
  return parts;
}

void ZmqSocket::Wait(absl::Duration time) {
  zmq_pollitem_t item = {.socket = socket_, .fd = 0, .events = ZMQ_POLLIN, .revents = 0};
  zmq_poll(&item, 1, absl::ToInt64Milliseconds(time));
}

}  // namespace batucada
