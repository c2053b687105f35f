#include "server/grpc/grpc_server.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include <google/protobuf/stubs/logging.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>

#include "base/clock.h"
#include "base/status.h"
#include "server/grpc/grpc_connection.h"
#include "server/net/connection_book.h"
#include "server/net/descriptors.h"
#include "server/net/listener.h"

namespace batucada {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

GrpcMethods MakeMethods(Service& service, bool reflection) {
  GrpcMethods methods;
  AddInferenceMethods(service, &methods);
  AddCheckpointMethods(service, &methods);
  AddOpenInferenceMethods(service, &methods);
  AddHealthMethods(service, &methods);
  if (reflection) AddReflectionMethods(&methods);
  return methods;
}

struct GrpcPlace {
  GrpcPlace(std::weak_ptr<GrpcConnection> taken_by, bool came_silent)
      : connection(std::move(taken_by)), silent(came_silent) {}
  std::weak_ptr<GrpcConnection> connection;
  bool silent;          // when it came it had sent nothing yet
  bool leaves = false;  // told to give way
};

}  // namespace

class GrpcServer::Impl : public ConnectionBook<GrpcConnection, GrpcPlace>, public std::enable_shared_from_this<Impl> {
 public:
  Impl(const Options& options, Service& service, Door& door)
      : options_(options), methods_(MakeMethods(service, options.reflection)), context_{.service = service,
                                                                                        .methods = methods_,
                                                                                        .limits = options.limits,
                                                                                        .disposer = options.disposer},
        listener_(std::make_shared<Listener>(
            Listener::Options{.host = options.host,
                              .port = options.port,
                              .protocol = "gRPC",
                              .advice = "choose another address with --grpc-port or --host, or serve without gRPC: "
                                        "--grpc off"},
            door)) {}

  absl::Status Listen() { return listener_->Listen(); }

  void Start() {
    const auto self = shared_from_this();
    listener_->Start({.admit = [self](tcp::socket socket, Door::Seat seat,
                                      Room) { self->Admit(std::move(socket), std::move(seat)); },
                      .make_room = [] {},  // others must close first
                      .stopped = [self] { self->NoteStopped(); }});
  }

  void StopAccepting() {
    context_.closing = true;
    listener_->Stop();
    ForEach([](GrpcConnection& connection) { connection.NoticeClosing(); });
  }

  void CloseAll() {
    ForEach([](GrpcConnection& connection) { connection.Close(); });
  }

  int32_t port() const { return listener_->port(); }

 private:
  void Admit(tcp::socket socket, Door::Seat seat) {
    if (!MakeRoom()) return;  // closed: its client finds out at once, and comes back later
    const uint64_t id = next_id_++;
    const std::shared_ptr<void> place(nullptr, [this, id](void*) { End(id); });  // until the connection ends
    error_code ignored;
    const tcp::endpoint peer = socket.remote_endpoint(ignored);
    const Client client = ClientAt(peer.address().to_string(), peer.port());
    const bool silent = socket.available(ignored) == 0;
    asio::io_context& loop = *seat.loop;
    auto stream =
        options_.tls == nullptr ? MakePlainStream(std::move(socket)) : MakeTlsStream(std::move(socket), *options_.tls);
    auto connection =
        std::make_shared<GrpcConnection>(std::move(stream), context_, client, [place, taken = seat.taken] {});
    {
      const std::lock_guard lock(mutex_);
      connections_.emplace(id, GrpcPlace(connection, silent));
    }
    asio::post(loop, [connection = std::move(connection)] { connection->Start(); });
  }

  // Counts one more. Where all places are taken, the oldest connection that has made no call yet gives way, those that
  // came without a word before the others, who may only be waiting for their thread: who only holds connections keeps
  // nobody out but others like him. False: there is none.
  bool MakeRoom() {
    std::vector<std::shared_ptr<GrpcConnection>> seen;  // released without the lock: the last to go calls End
    const std::lock_guard lock(mutex_);
    // Half of the descriptors are HTTP's, however few there are.
    const auto limit =
        static_cast<size_t>(std::clamp<int64_t>(DescriptorLimit() / 2, 1, options_.limits.max_connections));
    if (open_ - leaving_ >= limit) {
      context_.service.metrics.OnGrpcConnectionRefused();
      GrpcPlace* gives_way = nullptr;
      std::shared_ptr<GrpcConnection> leaver;
      for (auto& [id, place] : connections_) {
        if (place.leaves || (gives_way != nullptr && !place.silent)) continue;
        const std::shared_ptr<GrpcConnection>& oldest = seen.emplace_back(place.connection.lock());
        if (oldest == nullptr || !oldest->untried()) continue;
        gives_way = &place;
        leaver = oldest;
        if (place.silent) break;
      }
      if (gives_way != nullptr) {
        gives_way->leaves = true;
        ++leaving_;
        asio::post(leaver->executor(), [leaver] { leaver->Close(); });
      }
      if (open_ - leaving_ >= limit || leaving_ > kMaxLeaving) return false;
    }
    context_.service.metrics.SetGrpcConnections(static_cast<int64_t>(++open_));
    return true;
  }

  void End(uint64_t id) {
    const std::lock_guard lock(mutex_);
    const auto found = connections_.find(id);
    if (found != connections_.end()) {
      if (found->second.leaves) --leaving_;
      connections_.erase(found);
    }
    context_.service.metrics.SetGrpcConnections(static_cast<int64_t>(--open_));
    ended_.notify_all();
  }

  static constexpr size_t kMaxLeaving = 64;  // connections told to go that are not gone yet

  const Options options_;
  const GrpcMethods methods_;
  GrpcContext context_;
  const std::shared_ptr<Listener> listener_;
  uint64_t next_id_ = 0;  // the door thread's

  size_t leaving_ = 0;
};

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const Options& options, Service& service, Door& door) {
  // The library writes a line to standard error for every string that is not UTF-8: those would be a stranger's to
  // fill.
  google::protobuf::SetLogHandler(nullptr);
  auto impl = std::make_shared<Impl>(options, service, door);
  BATUCADA_RETURN_IF_ERROR(impl->Listen());
  impl->Start();
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

GrpcServer::GrpcServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcServer::~GrpcServer() { Shutdown(ProcessNow()); }

int32_t GrpcServer::port() const { return impl_->port(); }
int64_t GrpcServer::open_connections() const { return impl_->open_connections(); }

void GrpcServer::Shutdown(absl::Time deadline) {
  impl_->StopAccepting();
  if (impl_->WaitUntilClosed(deadline)) return;
  impl_->CloseAll();
  impl_->WaitUntilClosed(absl::InfiniteFuture());
}

}  // namespace batucada
