// gRPC on one port: accepts connections and hands their calls to the methods. Over HTTP/2 on nghttp2 rather than on
// gRPC's own library, whose versions in the distributions cannot keep the limits that http2_session.h and
// grpc_connection.h name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/config/grpc_limits.h"
#include "server/generate/service.h"
#include "server/memory/disposer.h"
#include "server/net/door.h"

namespace boost::asio::ssl {
class context;
}

namespace batucada {

// Thread-safe.
class GrpcServer {
 public:
  struct Options {
    std::string host;
    int32_t port = 0;  // 0: one that is free
    GrpcLimits limits;
    bool reflection = true;                    // whether clients may ask what there is
    boost::asio::ssl::context* tls = nullptr;  // null: none; outlives the server
    Disposer* disposer = nullptr;              // likewise: frees what is large of calls that end; null: whoever held it
  };

  // Listens, and answers from now on. UNAVAILABLE, in one sentence, if the address cannot be had.
  // REQUIRES: service and door outlive this.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const Options& options, Service& service, Door& door);
  // Closes what is still open and waits for it.
  ~GrpcServer();

  int32_t port() const;
  int64_t open_connections() const;

  // No new connections and calls, waits for those that run until `deadline`, then cancels the rest.
  void Shutdown(absl::Time deadline);

 private:
  class Impl;
  explicit GrpcServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace batucada
