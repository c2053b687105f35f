// batucada.v1 over gRPC, with health checking and reflection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/io_pool.h"
#include "server/service.h"
#include "server/tls.h"

namespace batucada {

// Thread-safe.
class GrpcServer {
 public:
  struct Options {
    std::string host;
    int32_t port = 0;  // 0: one that is free
    int64_t max_message_bytes = 0;
    TlsFiles tls;  // that LoadTls has accepted; without a certificate: none
  };

  // Listens, and answers from now on. UNAVAILABLE, in one sentence, if the address cannot be had.
  // REQUIRES: service and pool outlive this.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const Options& options, Service& service, IoPool& pool);
  // Cancels what still runs.
  ~GrpcServer();

  int32_t port() const;
  // What grpc.health.v1 says of the server and of batucada.v1.Inference.
  void SetServing(bool serving);
  // Refuses new calls, waits for those that run until `deadline`, then cancels the rest.
  void Shutdown(absl::Time deadline);

 private:
  class Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace batucada
