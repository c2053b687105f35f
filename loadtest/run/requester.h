// Sends sessions and records what came back, over connections that are kept and used again.
#pragma once

#include <memory>
#include <vector>

#include <boost/beast/core/flat_buffer.hpp>

#include "loadtest/client/completion_body.h"
#include "loadtest/client/exchange.h"
#include "loadtest/client/target.h"
#include "loadtest/client/token_stream.h"
#include "loadtest/client/wire.h"
#include "loadtest/measure/recorder.h"
#include "loadtest/run/live_counts.h"
#include "loadtest/workload/session.h"

namespace batucada::loadtest {

// What all requests of a run have in common. Immutable but for the counts.
struct RequestContext {
  const Target& target;
  const RequestHead& head;
  const RequestHead& closing_head;  // asks the server to close the connection: for those who misbehave
  const CompletionBody& body;
  Duration timeout;  // from sending to the end of the answer
  LiveCounts& live;
};

// On the thread of its context only.
class Requester {
 public:
  Requester(boost::asio::io_context& io, const RequestContext& context, Recorder& recorder)
      : io_(io), context_(context), recorder_(recorder) {}

  // All turns of a session, the first of which is due at `due`; after a failed turn the rest is left out.
  Task<void> Run(uint64_t index, Session session, TimePoint due);

 private:
  struct Connection {
    explicit Connection(boost::asio::io_context& io) : wire(io) {}
    Wire wire;
    boost::beast::flat_buffer inbox;
  };

  // One request; `answer` gets its text if it is not null.
  Task<RequestRecord> Ask(const Prompt& prompt, const Turn& turn, TimePoint due, std::string* answer);
  // An idle connection, or a new one that is not connected.
  std::unique_ptr<Connection> TakeConnection();

  boost::asio::io_context& io_;
  const RequestContext& context_;
  Recorder& recorder_;
  std::vector<std::unique_ptr<Connection>> idle_;  // the last used is the first to be used again
};

}  // namespace batucada::loadtest
