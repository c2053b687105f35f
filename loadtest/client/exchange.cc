#include "loadtest/client/exchange.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/parser.hpp>

namespace batucada::loadtest {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr size_t kReadBytes = 8 << 10;  // room offered to the socket at once
constexpr size_t kMaxKeptBody = 1 << 20;

// A body that goes where it is told, piece by piece; Beast's parser undoes the chunks.
struct PassedOnBody {
  struct value_type {
    const OnBody* on_body = nullptr;
    const http::response_header<>* head = nullptr;  // complete before the body begins
    TimePoint now;
    std::string kept;
  };

  class reader {
   public:
    template <bool IsRequest, class Fields>
    reader(http::header<IsRequest, Fields>&, value_type& value) : value_(value) {}
    void init(const boost::optional<uint64_t>&, error_code& error) {
      error = {};
      passed_on_ = *value_.on_body && value_.head->result_int() == 200;
    }
    template <class Buffers>
    size_t put(const Buffers& buffers, error_code& error) {
      error = {};
      size_t total = 0;
      for (const asio::const_buffer buffer : boost::beast::buffers_range(buffers)) {
        const std::string_view bytes(static_cast<const char*>(buffer.data()), buffer.size());
        total += bytes.size();
        if (passed_on_) {
          (*value_.on_body)(bytes, value_.now);
        } else {
          value_.kept.append(bytes.substr(0, kMaxKeptBody - std::min(kMaxKeptBody, value_.kept.size())));
        }
      }
      return total;
    }
    void finish(error_code& error) { error = {}; }

   private:
    value_type& value_;
    bool passed_on_ = false;
  };
};

using Parser = http::response_parser<PassedOnBody>;

Ending EndingOf(const Wire& wire, const Parser& parser) {
  if (wire.past_deadline()) return Ending::kTimeout;
  return parser.got_some() ? Ending::kCut : Ending::kSilent;
}

// Reads until the parser is content.
Task<Reply> ReadAnswer(Wire& wire, boost::beast::flat_buffer& inbox, Parser& parser) {
  Reply reply;
  const auto fail = [&](Ending ending, std::string why) {
    reply.ending = ending;
    reply.error = std::move(why);
  };
  inbox.clear();
  while (!parser.is_done()) {
    auto [read_error, size] = co_await wire.Read(inbox.prepare(kReadBytes));
    error_code error;
    if (Wire::IsEnd(read_error) && parser.got_some()) {
      parser.put_eof(error);
      if (!error) continue;
    }
    if (read_error) {
      fail(EndingOf(wire, parser), read_error.message());
      break;
    }
    inbox.commit(size);
    parser.get().body().now = Clock::now();
    inbox.consume(parser.put(inbox.data(), error));
    if (error && error != http::error::need_more) {
      fail(Ending::kMalformed, error.message());
      break;
    }
    if (!parser.is_done() || parser.get().result_int() / 100 != 1) continue;
    fail(Ending::kMalformed, "an interim answer where a final one is due");
  }
  if (parser.is_header_done()) reply.status = static_cast<int>(parser.get().result_int());
  reply.keep_alive = reply.ending == Ending::kWhole && parser.keep_alive() && inbox.size() == 0;
  reply.body = std::move(parser.get().body().kept);
  co_return reply;
}

}  // namespace

RequestHead::RequestHead(const Target& target, const std::vector<std::pair<std::string, std::string>>& headers)
    : prefix_(target.prefix),
      common_(fmt::format("Host: {}\r\nUser-Agent: batucada-loadtest\r\n", target.HostHeader())) {
  for (const auto& [name, value] : headers) common_ += fmt::format("{}: {}\r\n", name, value);
}

std::string RequestHead::Get(std::string_view path) const {
  return fmt::format("GET {}{} HTTP/1.1\r\n{}\r\n", prefix_, path, common_);
}

std::string RequestHead::Post(std::string_view path, std::string_view body) const {
  return fmt::format("POST {}{} HTTP/1.1\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", prefix_,
                     path, common_, body.size(), body);
}

Task<Reply> Exchange(Wire& wire, std::string_view request, boost::beast::flat_buffer& inbox, OnBody on_body) {
  Parser parser;
  parser.eager(true);
  parser.body_limit(boost::none);
  parser.header_limit(64 << 10);
  parser.get().body().on_body = &on_body;
  parser.get().body().head = &parser.get().base();
  const error_code error = co_await wire.Write(request);
  // A server may answer and close before it has read everything, 413 for one: what it said is worth reading.
  if (error && wire.past_deadline()) co_return Reply{.ending = Ending::kTimeout, .error = "sending took too long"};
  Reply reply = co_await ReadAnswer(wire, inbox, parser);
  if (error && reply.ending == Ending::kSilent) reply.error = error.message();
  co_return reply;
}

}  // namespace batucada::loadtest
