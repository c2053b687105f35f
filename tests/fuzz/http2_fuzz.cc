// A gRPC connection and whatever a client may send on it: frames in any order and of any size, calls of every method,
// to a server with the fake backend. The first byte says in what pieces the bytes come, whether HTTP/2's greeting comes
// before them, and whether the client takes what it is sent.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "base/status.h"
#include "server/grpc/grpc_connection.h"
#include "server/net/event.h"

namespace {

using namespace batucada;
namespace asio = boost::asio;

// Gives its bytes piece by piece, then nothing until it is closed.
class Script : public ByteStream {
 public:
  Script(asio::io_context& context, std::string bytes, size_t piece, bool takes)
      : context_(context), bytes_(std::move(bytes)), piece_(piece), takes_(takes), closed_(context.get_executor()) {}

  asio::any_io_executor executor() override { return context_.get_executor(); }
  awaitable<error_code> Open() override { co_return error_code(); }

  awaitable<size_t> Read(boost::beast::flat_buffer& inbox, size_t most, error_code& error) override {
    if (at_ == bytes_.size()) {
      co_await closed_.WaitUntil(Event::Never());
      error = asio::error::operation_aborted;
      co_return 0;
    }
    const size_t size = std::min({most, piece_, bytes_.size() - at_});
    inbox.commit(asio::buffer_copy(inbox.prepare(size), asio::buffer(bytes_.data() + at_, size)));
    at_ += size;
    co_return size;
  }

  size_t WriteNow(asio::const_buffer bytes, error_code& error) override {
    if (!takes_) error = asio::error::would_block;
    return takes_ ? bytes.size() : 0;
  }

  awaitable<size_t> WriteSome(asio::const_buffer, error_code& error) override {
    Event never(context_.get_executor());
    co_await never.WaitUntil(Event::Clock::now() + std::chrono::milliseconds(1));
    error = asio::error::broken_pipe;
    co_return 0;
  }

  awaitable<void> EndWriting() override { co_return; }
  void Close() override { closed_.Notify(); }

 private:
  asio::io_context& context_;
  const std::string bytes_;
  const size_t piece_;
  const bool takes_;
  Event closed_;
  size_t at_ = 0;
};

// A server without a socket, for the whole process.
struct Scene {
  Scene() {
    config.engine.model_dir = std::string(BATUCADA_SOURCE_DIR) + "/models/samba-classics-18m";
    config.engine.backend = BackendKind::kFake;
    config.engine.fake_step_time = absl::Microseconds(10);
    config.engine.max_sequences = 8;
    config.engine.max_total_tokens = 512;
    config.http.max_body_bytes = 32 << 10;
    config.http.max_header_bytes = 2 << 10;
    config.text_threads = 1;
    config.request_memory = 64 << 20;
    config.log_level = LogLevel::kOff;
    auto created = Engine::Create(config.engine, &metrics);
    BATUCADA_CHECK(created.ok(), created.status().message());
    engine = *std::move(created);
    service = std::unique_ptr<Service>(
        new Service{.config = config, .engine = *engine, .metrics = metrics, .model_names = {"m"}});
    service->accepting = true;
    AddInferenceMethods(*service, &methods);
    AddOpenInferenceMethods(*service, &methods);
    AddHealthMethods(*service, &methods);
    AddReflectionMethods(&methods);
    grpc = std::unique_ptr<GrpcContext>(
        new GrpcContext{.service = *service, .methods = methods, .limits = {.max_streams = 8}});
  }

  ServerConfig config;
  Metrics metrics;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Service> service;
  GrpcMethods methods;
  std::unique_ptr<GrpcContext> grpc;
  asio::io_context context;
};

void Drive(asio::io_context& context) {
  context.restart();
  for (int idle = 0; idle < 2;) idle = context.poll() == 0 ? idle + 1 : 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Scene& scene = *new Scene();
  if (size == 0) return 0;
  constexpr std::string_view kGreeting("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
  std::string bytes((data[0] & 0x80) == 0 ? kGreeting : std::string_view());
  bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = (data[0] & 0x0f) == 0 ? bytes.size() : size_t{1} << (data[0] & 0x0f);
  bool ended = false;
  auto connection = std::make_shared<GrpcConnection>(
      std::make_unique<Script>(scene.context, std::move(bytes), piece, (data[0] & 0x40) == 0), *scene.grpc, Client(),
      [&ended] { ended = true; });
  connection->Start();
  Drive(scene.context);
  connection->Close();
  connection.reset();
  // Calls may be with the engine's and the pool's threads, and come back when those have had their turn.
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(15);
  while (!ended && std::chrono::steady_clock::now() < patience) {
    Drive(scene.context);
    if (!ended) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  if (!ended) std::abort();  // somebody holds a connection that is over
  return 0;
}
