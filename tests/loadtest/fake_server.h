// A server that answers as a test tells it: a thread for each connection, blocking, and no HTTP beyond what is needed.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace batucada::loadtest {

class FakeServer {
 public:
  enum class Then { kKeep, kClose };
  struct Answer {
    std::string bytes;
    Then then = Then::kKeep;
    size_t piece = 0;        // bytes sent at once; 0: all
    size_t stall_after = 0;  // bytes, behind which nothing comes for `stall`
    std::chrono::milliseconds stall{0};
  };
  // Called with every request, head and body, on its connection's thread.
  using Handler = std::function<Answer(const std::string& request)>;

  explicit FakeServer(Handler handler)
      : handler_(std::move(handler)), acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}),
        thread_([this] { Accept(); }) {}
  // REQUIRES: every client has left.
  ~FakeServer() {
    stopping_ = true;
    boost::system::error_code ignored;
    boost::asio::ip::tcp::socket(io_).connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
    for (std::thread& thread : connections_) thread.join();
  }

  // Accepted so far: waits for as many as are due, however long that takes, and a moment longer for any too many.
  int connections(int due) const {
    while (accepted_ < due) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return accepted_;
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }

 private:
  void Accept() {
    while (true) {
      boost::asio::ip::tcp::socket socket(io_);
      acceptor_.accept(socket);
      if (stopping_) return;
      ++accepted_;
      connections_.emplace_back([this, moved = std::move(socket)]() mutable { Serve(moved); });
    }
  }

  void Serve(boost::asio::ip::tcp::socket& socket) {
    boost::system::error_code error;
    std::string inbox;
    while (true) {
      const size_t head = boost::asio::read_until(socket, boost::asio::dynamic_buffer(inbox), "\r\n\r\n", error);
      if (error) return;
      const size_t length_at = inbox.find("Content-Length: ");
      const size_t length = length_at < head ? std::stoul(inbox.substr(length_at + 16)) : 0;
      if (inbox.size() < head + length) {
        boost::asio::read(socket, boost::asio::dynamic_buffer(inbox),
                          boost::asio::transfer_exactly(head + length - inbox.size()), error);
      }
      if (error) return;
      const Answer answer = handler_(inbox.substr(0, head + length));
      inbox.erase(0, head + length);
      Send(socket, answer, error);
      if (error || answer.then == Then::kClose) return;
    }
  }

  static void Send(boost::asio::ip::tcp::socket& socket, const Answer& answer, boost::system::error_code& error) {
    socket.set_option(boost::asio::ip::tcp::no_delay(true), error);
    const auto send = [&](size_t from, size_t to) {
      boost::asio::write(socket, boost::asio::buffer(answer.bytes.data() + from, to - from), error);
    };
    size_t at = 0;
    if (answer.stall_after > 0) {
      send(0, at = answer.stall_after);
      std::this_thread::sleep_for(answer.stall);
    }
    const size_t piece = answer.piece > 0 ? answer.piece : answer.bytes.size();
    for (; at < answer.bytes.size() && !error; at += piece) send(at, std::min(at + piece, answer.bytes.size()));
  }

  const Handler handler_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> accepted_{0};
  std::vector<std::thread> connections_;
  std::thread thread_;
};

// A stream of `tokens` events and the usage, in one piece.
inline std::string StreamOf(int tokens) {
  std::string events;
  for (int i = 0; i < tokens; ++i) events += "data: {\"choices\":[{\"text\":\"a\",\"finish_reason\":null}]}\n\n";
  events +=
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":" + std::to_string(tokens) + "}}\n\n";
  events += "data: [DONE]\n\n";
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: " + std::to_string(events.size()) +
         "\r\n\r\n" + events;
}

inline std::string StatusOnly(int status) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 2\r\n\r\nno";
}

}  // namespace batucada::loadtest
