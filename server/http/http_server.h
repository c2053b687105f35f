// HTTP/1.1 on one port: accepts connections and hands them requests through a Router.
//
// Past limits.max_connections, or when the process has no descriptor left, the connection that has been idle longest
// makes room for a new one. Where none is idle, a few more are let in to ask about health, and are refused otherwise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/config/server_config.h"
#include "server/http/gate.h"
#include "server/http/router.h"
#include "server/memory/account.h"
#include "server/memory/disposer.h"
#include "server/net/door.h"
#include "server/telemetry/metrics.h"

namespace boost::asio::ssl {
class context;
}

namespace batucada {

// Thread-safe.
class HttpServer {
 public:
  struct Options {
    std::string host;
    int32_t port = 0;  // 0: one that is free
    HttpLimits limits;
    boost::asio::ssl::context* tls = nullptr;  // null: plain HTTP; outlives the server
    MemoryAccount* memory = nullptr;           // what bodies are charged to; null: to none. Outlives the server
    Disposer* disposer = nullptr;              // likewise, what frees large bodies; null: whoever held them
    std::string flag = "port";                 // what sets the port, for messages
    bool counted = true;                       // whether its connections count in metrics
  };

  // Listens, and answers from now on. UNAVAILABLE, in one sentence, if the address cannot be had.
  // REQUIRES: router, gate, door and metrics outlive this.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Options& options, const Router& router,
                                                           const Gate& gate, Door& door, Metrics& metrics);
  // Closes what is still open and waits for it.
  ~HttpServer();

  int32_t port() const;
  int64_t open_connections() const;

  // From now on every answer ends its connection: clients that keep theirs find out before they are turned away.
  void StopKeepingAlive();
  // No new connections; those without a request are closed, the others after their answer. Does not wait.
  void StopAccepting();
  // Waits for that. False if `deadline` passed first.
  bool WaitUntilClosed(absl::Time deadline);

 private:
  class Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace batucada
