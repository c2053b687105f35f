#include "loadtest/client/exchange.h"

#include <algorithm>
#include <optional>

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

// One answer's parser: interim answers (103 Early Hints, say) may come before the one that counts, each with a head of
// its own.
void Expect(const OnBody& on_body, std::optional<Parser>* parser) {
  parser->emplace();
  (*parser)->eager(true);
  (*parser)->body_limit(boost::none);
  (*parser)->header_limit(64 << 10);
  (*parser)->get().body().on_body = &on_body;
  (*parser)->get().body().head = &(*parser)->get().base();
}

// Reads until the final answer is whole.
Task<Reply> ReadAnswer(Wire& wire, boost::beast::flat_buffer& inbox, const OnBody& on_body) {
  Reply reply;
  std::optional<Parser> expected;
  Expect(on_body, &expected);
  bool silent = true;
  const auto fail = [&](Ending ending, std::string why) {
    reply.ending = ending;
    reply.error = std::move(why);
  };
  inbox.clear();
  while (!expected->is_done()) {
    auto [read_error, size] = co_await wire.Read(inbox.prepare(kReadBytes));
    error_code error;
    if (Wire::IsEnd(read_error) && expected->got_some()) {
      expected->put_eof(error);
      if (!error) continue;
    }
    if (read_error) {
      fail(wire.past_deadline() ? Ending::kTimeout : silent ? Ending::kSilent : Ending::kCut, read_error.message());
      break;
    }
    silent = false;
    inbox.commit(size);
    const TimePoint now = Clock::now();
    bool interim = true;
    while (interim && !error && inbox.size() > 0) {
      expected->get().body().now = now;
      inbox.consume(expected->put(inbox.data(), error));
      interim = expected->is_done() && expected->get().result_int() / 100 == 1;
      if (interim) Expect(on_body, &expected);
    }
    if (error && error != http::error::need_more) {
      fail(Ending::kMalformed, error.message());
      break;
    }
  }
  const Parser& parser = *expected;
  if (parser.is_header_done()) reply.status = static_cast<int>(parser.get().result_int());
  reply.keep_alive = reply.ending == Ending::kWhole && parser.keep_alive() && inbox.size() == 0;
  reply.body = std::move(expected->get().body().kept);
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
  const error_code error = co_await wire.Write(request);
  // A server may answer and close before it has read everything, 413 for one: what it said is worth reading.
  if (error && wire.past_deadline()) co_return Reply{.ending = Ending::kTimeout, .error = "sending took too long"};
  Reply reply = co_await ReadAnswer(wire, inbox, on_body);
  if (error && reply.ending == Ending::kSilent) reply.error = error.message();
  co_return reply;
}

}  // namespace batucada::loadtest
