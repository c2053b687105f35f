// A TCP client that sends exactly the bytes it is told to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace batucada {

class RawClient {
 public:
  explicit RawClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  // False if the other side has closed.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // What arrives until `end` is in it, the other side closes, or five seconds pass.
  std::string ReadUntil(std::string_view end) {
    while (received_.find(end) == std::string::npos && Receive()) {
    }
    const size_t found = received_.find(end);
    const size_t size = found == std::string::npos ? received_.size() : found + end.size();
    std::string read = received_.substr(0, size);
    received_.erase(0, size);
    return read;
  }
  // So many bytes, or fewer if the other side closes or five seconds pass.
  std::string Read(size_t bytes) {
    while (received_.size() < bytes && Receive()) {
    }
    std::string read = received_.substr(0, bytes);
    received_.erase(0, read.size());
    return read;
  }
  std::string ReadToEnd() {
    while (Receive()) {
    }
    return std::move(received_);
  }
  bool closed_by_peer() const { return closed_by_peer_; }
  void FinishSending() { ::shutdown(socket_, SHUT_WR); }
  // With a reset instead of an orderly end.
  void Reset() {
    const linger hard = {.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    Close();
  }
  void Close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  bool Receive() {
    pollfd waiting = {.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 5000) <= 0) return false;
    char buffer[4096];
    const ssize_t size = ::recv(socket_, buffer, sizeof(buffer), 0);
    if (size <= 0) {
      closed_by_peer_ = true;
      return false;
    }
    received_.append(buffer, static_cast<size_t>(size));
    return true;
  }

  int socket_;
  bool connected_ = false;
  bool closed_by_peer_ = false;
  std::string received_;
};

}  // namespace batucada
