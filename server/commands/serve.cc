#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/human_bytes.h"
#include "base/status.h"
#include "base/write_file.h"
#include "server/api/routes.h"
#include "server/commands/command.h"
#include "server/commands/fingerprint.h"
#include "server/commands/load_engine.h"
#include "server/commands/model_location.h"
#include "server/commands/reloader.h"
#include "server/commands/signals.h"
#include "server/common/access_keys.h"
#include "server/common/version.h"
#include "server/compat/compat.h"
#include "server/config/options.h"
#include "server/config/served_names.h"
#include "server/generate/estimate.h"
#include "server/generate/service.h"
#include "server/grpc/grpc_server.h"
#include "server/http/gate.h"
#include "server/http/http_server.h"
#include "server/kv_events/kv_event_publisher.h"
#include "server/memory/disposer.h"
#include "server/memory/limit.h"
#include "server/memory/trimmer.h"
#include "server/net/descriptors.h"
#include "server/net/door.h"
#include "server/net/tls.h"
#include "server/operations/health_port.h"
#include "server/store/store.h"
#include "server/telemetry/logging.h"

namespace batucada {
namespace {

constexpr double kClientShare = 0.9;                     // see --client-share
constexpr auto kGrammarsKept = std::chrono::minutes(1);  // that nobody uses; it takes milliseconds to make one anew
constexpr absl::Duration kFlushTime = absl::Seconds(5);  // for the last bytes of answers that are complete
constexpr absl::Duration kLastTexts = absl::Milliseconds(300);  // for texts that nobody waits for any more

// The last part of an endpoint such as tcp://127.0.0.1:5557; of a path, all of it.
std::string_view PortOf(std::string_view endpoint) {
  return endpoint.starts_with("tcp://") ? endpoint.substr(endpoint.rfind(':') + 1) : endpoint;
}

absl::Status WritePortFile(const std::string& path, const HttpServer& http, const GrpcServer* grpc,
                           const HealthPort* health, const KvEventPublisher* events) {
  std::string ports = fmt::format("http {}\n", http.port());
  if (grpc != nullptr) ports += fmt::format("grpc {}\n", grpc->port());
  if (health != nullptr) ports += fmt::format("health {}\n", health->port());
  if (events != nullptr) {
    ports += fmt::format("kv-events {}\n", PortOf(events->endpoint()));
    if (!events->replay_endpoint().empty()) {
      ports += fmt::format("kv-events-replay {}\n", PortOf(events->replay_endpoint()));
    }
  }
  const absl::Status written = WriteWholeFile(path, ports);
  return written.ok() ? written
                      : absl::UnavailableError(fmt::format("--port-file: {}", std::string(written.message())));
}

void Announce(const Service& service, const HttpServer& http, const GrpcServer* grpc, const HealthPort* health) {
  const ServerConfig& config = service.config;
  const std::string shown = config.host == "0.0.0.0" || config.host == "::" ? "127.0.0.1" : config.host;
  const std::string grpc_at = grpc == nullptr ? "off" : fmt::format("{}:{}", config.host, grpc->port());
  fmt::print("ready http={}:{} grpc={}", config.host, http.port(), grpc_at);
  if (health != nullptr) fmt::print(" health={}:{}", config.host, health->port());
  fmt::print("\n\n");
  const char* scheme = config.security.tls_certificate.empty() ? "http" : "https";
  fmt::print("  curl -N {}://{}:{}/v1/completions -H 'Content-Type: application/json' \\\n", scheme, shown,
             http.port());
  if (service.keys.required()) fmt::print("    -H \"Authorization: Bearer $BATUCADA_API_KEY\" \\\n");
  fmt::print("    -d '{{\"prompt\": \"It was a dark and stormy night\", \"max_tokens\": 64, \"stream\": true}}'\n\n");
  std::fflush(stdout);
}

// Unready first, so that balancers look elsewhere; then no new connections; then what runs may finish.
void ShutDown(const ServerConfig& config, Service& service, HttpServer& http, GrpcServer* grpc) {
  service.accepting = false;
  http.StopKeepingAlive();
  absl::SleepFor(config.shutdown_grace);
  const absl::Time deadline = ProcessNow() + config.drain_timeout;
  http.StopAccepting();
  std::thread grpc_shutdown([&] {
    if (grpc != nullptr) grpc->Shutdown(deadline + kFlushTime);
  });
  service.engine.Drain(deadline);
  for (WorkPool* pool : {&service.workers, &service.store_workers}) {
    if (!pool->Drain(deadline)) spdlog::warn("some requests were still being read: they are refused");
  }
  if (!http.WaitUntilClosed(ProcessNow() + kFlushTime)) spdlog::warn("some connections had to be cut off");
  grpc_shutdown.join();
}

// Has all texts come to an end, or else ends the process, here. The tokenizer of a large one, a library's perhaps,
// works for seconds and cannot be told to stop, and it uses what would be taken apart: so nothing is, and the rest of
// what must not be lost is brought to its place first.
void EndTexts(Service& service) {
  const absl::Time deadline = ProcessNow() + kLastTexts;
  const bool workers_ended = service.workers.Drain(deadline),
             store_workers_ended = service.store_workers.Drain(deadline);
  if (workers_ended && store_workers_ended) {
    service.workers.Stop();
    service.store_workers.Stop();
    return;
  }
  spdlog::info("some texts are still being worked on: they are left behind");
  service.store_thread.Stop();
  service.journal.Stop();
  std::fflush(nullptr);
  _exit(0);
}

// Fetches a model of the Hub, which is served under its name there.
absl::Status FindModel(ServerConfig* config) {
  const bool dummy = config->engine.load_format == LoadFormat::kDummy;
  BATUCADA_ASSIGN_OR_RETURN(const ModelLocation location,
                            LocateModel(config->engine.model_dir, dummy ? HubPart::kConfig : HubPart::kModel));
  config->engine.model_dir = location.directory;
  std::vector<std::string>& names = config->served_model_names;
  if (location.hub && (names.empty() || IsPattern(names.front()))) {
    names.insert(names.begin(), location.hub->repository);
  }
  return absl::OkStatus();
}

// A template that shows no message makes every chat the same prompt: any text file is one.
void WarnIfSilent(const ChatTemplate& chat_template, const std::string& file) {
  constexpr const char* kSaid = "batucada";
  ChatInput input;
  input.messages.push_back({{"role", "user"}, {"content", kSaid}});
  const absl::StatusOr<std::string> text = chat_template.Render(input);
  if (!text.ok() || text->find(kSaid) != std::string::npos) return;
  spdlog::warn("--chat-template {}: it does not show what a user says: every chat is the same prompt", file);
}

// The operator's, which must be right, else the model's; null for a model that has none. A model whose own is wrong is
// served without chat.
absl::StatusOr<std::unique_ptr<const ChatTemplate>> LoadChatTemplate(const ServerConfig& config) {
  auto loaded = ChatTemplate::Load(config.engine.model_dir, config.chat_template);
  if (loaded.ok() && !config.chat_template.empty()) WarnIfSilent(**loaded, config.chat_template);
  if (loaded.ok()) return loaded;
  if (!config.chat_template.empty()) {
    return absl::InvalidArgumentError(fmt::format("--chat-template: {}", std::string(loaded.status().message())));
  }
  if (absl::IsNotFound(loaded.status())) return nullptr;
  spdlog::warn("no chat: {}", std::string(loaded.status().message()));
  return ChatTemplate::Unusable(loaded.status());
}

// Where it computes and with which weights: the files tell the rest.
std::string FingerprintOf(const Engine& engine) {
  const EngineConfig& config = engine.config();
  const bool dummy = config.load_format == LoadFormat::kDummy;
  return SystemFingerprint(config.model_dir, fmt::format("{}{}", BackendName(config.backend), dummy ? " dummy" : ""));
}

// Before anything of a client is held. Says what was decided.
void DecideRequestMemory(ServerConfig* config) {
  const int64_t limit = ProcessMemoryLimit();
  if (config->request_memory == 0) config->request_memory = DefaultRequestMemory(limit);
  fmt::print("requests may hold {} together, of the {} that the process may have\n", HumanBytes(config->request_memory),
             HumanBytes(limit));
  if (config->security.tls_certificate.empty()) return;
  const int32_t fit = TlsConnectionsThatFit(config->request_memory);
  for (int32_t* most : {&config->http.max_connections, &config->grpc_limits.max_connections}) {
    if (*most <= fit) continue;
    spdlog::warn("{} connections with TLS may hold more than all requests: at most {} are open at once", *most, fit);
    *most = fit;
  }
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const StoreConfig& config) {
  absl::StatusOr<std::unique_ptr<Store>> store =
      Store::Open({.directory = config.directory,
                   .lifetime = config.lifetime,
                   .max_bytes = config.size(),
                   .cost = [](std::string_view json) { return ParsingBytes(json); }});
  if (!store.ok()) return absl::InvalidArgumentError(fmt::format("--store: {}", std::string(store.status().message())));
  fmt::print("responses are kept in {}, {} at most\n", config.directory.empty() ? "memory" : config.directory,
             HumanBytes(config.size()));
  return store;
}

using Contexts = std::vector<std::shared_ptr<boost::asio::ssl::context>>;

// `reread` makes of flags, environment and file what they say by then.
absl::StatusOr<int> Serve(ServerConfig config, const Reloader::ReadConfig& reread) {
  SignalWatcher signals;  // before there are other threads
  RaiseDescriptorLimit();
  SetUpLogging(config.log_level, config.log_format);
  fmt::print("batucada {}\n", kVersion);
  // What can be wrong with settings is found before a model is loaded.
  BATUCADA_ASSIGN_OR_RETURN(AccessKeys keys, AccessKeys::Load(config.security.api_keys, config.security.api_key_file,
                                                              {.most_urgent = config.security.min_priority}));
  const TlsFiles tls_files = {.certificate = config.security.tls_certificate, .key = config.security.tls_key};
  std::shared_ptr<boost::asio::ssl::context> tls, grpc_tls;
  if (!tls_files.certificate.empty()) {
    BATUCADA_ASSIGN_OR_RETURN(tls, LoadTls(tls_files));
    BATUCADA_ASSIGN_OR_RETURN(grpc_tls, LoadTls(tls_files));
    RequireHttp2(*grpc_tls);
  }
  BATUCADA_RETURN_IF_ERROR(FindModel(&config));
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<const ChatTemplate> chat_template, LoadChatTemplate(config));
  Metrics metrics;
  EngineConfig engine_config = config.engine;
  // Where keys tell clients apart, none may take all, not even one who is alone now.
  if (engine_config.client_share == 0 && keys.size() > 1) engine_config.client_share = kClientShare;
  const bool dummy = engine_config.load_format == LoadFormat::kDummy;
  engine_config.watch_prefixes = config.kv_events.enabled();
  engine_config.disk_cache_digest = WeightsFingerprint(engine_config.model_dir, dummy ? "dummy" : "");
  BATUCADA_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                            LoadEngine(engine_config, ServedModelNames(config).front(), &metrics));
  fmt::print("{}", engine->description());
  DecideRequestMemory(&config);
  BATUCADA_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, OpenStore(config.store));
  std::fflush(stdout);

  Service service{.config = config,
                  .engine = *engine,
                  .metrics = metrics,
                  .model_names = ServedModelNames(config),
                  .chat_template = std::move(chat_template),
                  .keys = keys,
                  .fingerprint = FingerprintOf(*engine),
                  .store = std::move(store)};
  Disposer disposer;
  IoPool pool(config.io_threads > 0 ? config.io_threads : DefaultIoThreads());
  // A text goes on when its client has left, and then tells it to a thread of `pool`, which ends before `service` does.
  const absl::Cleanup end_work = [&service] { EndTexts(service); };
  Door door(pool);
  const Router router = MakeRoutes(service, AddCompat);
  const Gate gate(service.keys, config.security.cors_origins);
  std::unique_ptr<HealthPort> health;  // outlives the other ports: a drain is not a death
  if (config.health_port >= 0) {
    BATUCADA_ASSIGN_OR_RETURN(health, HealthPort::Start(service));
  }
  BATUCADA_ASSIGN_OR_RETURN(const std::unique_ptr<HttpServer> http, HttpServer::Start({.host = config.host,
                                                                                       .port = config.port,
                                                                                       .limits = config.http,
                                                                                       .tls = tls.get(),
                                                                                       .memory = &service.memory,
                                                                                       .disposer = &disposer},
                                                                                      router, gate, door, metrics));
  std::unique_ptr<GrpcServer> grpc;
  if (config.grpc == Switch::kOn) {
    BATUCADA_ASSIGN_OR_RETURN(grpc, GrpcServer::Start({.host = config.host,
                                                       .port = config.grpc_port,
                                                       .limits = config.grpc_limits,
                                                       .reflection = config.grpc_reflection == Switch::kOn,
                                                       .tls = grpc_tls.get(),
                                                       .disposer = &disposer},
                                                      service, door));
  }
  const auto held = [&service, &http, &grpc, tls = tls != nullptr] {
    const int64_t open = http->open_connections() + (grpc == nullptr ? 0 : grpc->open_connections());
    return service.memory.used() + open * (tls ? kIdleTlsConnectionBytes : kIdleConnectionBytes);
  };
  const MemoryTrimmer trimmer(
      held, [&engine] { engine->grammars().ForgetUnused(std::chrono::steady_clock::now() - kGrammarsKept); });
  std::unique_ptr<KvEventPublisher> events;
  if (config.kv_events.enabled()) {
    const auto take = [&engine](int64_t most, int32_t block) { return engine->TakePrefixChanges(most, block); };
    BATUCADA_ASSIGN_OR_RETURN(events, KvEventPublisher::Start(config.kv_events, take, metrics));
    fmt::print("KV events, with prompts' token ids: {}\n", events->endpoint());
  }
  service.accepting = true;
  signals.ExpectOrderlyEnd();
  if (!config.port_file.empty()) {
    BATUCADA_RETURN_IF_ERROR(WritePortFile(config.port_file, *http, grpc.get(), health.get(), events.get()));
  }
  Announce(service, *http, grpc.get(), health.get());

  Reloader reloader(reread, keys, tls == nullptr ? Contexts{} : Contexts{tls, grpc_tls}, service.journal);
  signals.OnHangup([&reloader] { reloader.Reload(); });
  const int signal = signals.Wait();
  signals.OnHangup(nullptr);
  spdlog::info("signal {}: finishing what runs, for at most {}; a second signal ends at once", signal,
               absl::FormatDuration(config.drain_timeout));
  ShutDown(config, service, *http, grpc.get());
  spdlog::info("ended in order");
  return 0;
}

std::vector<std::string> NamesOfEnvironment() {
  std::vector<std::string> names;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    names.emplace_back(text.substr(0, text.find('=')));
  }
  return names;
}

class ServeCommand : public Command {
 public:
  void Declare(CLI::App& program) override {
    command_ = program.add_subcommand("serve", "Serve a model over HTTP and gRPC");
    AddServerOptions(table_, &config_);
    table_.Declare(*command_);
    command_->footer(
        "Every flag is also an environment variable (--max-sequences: BATUCADA_MAX_SEQUENCES) and a key of\n"
        "the --config file. Flags win over the environment, the environment over the file.\n"
        "Sizes: 512MiB, 4GiB. Times: 500ms, 30s, 2m.");
  }
  bool Chosen() const override { return command_->parsed(); }
  absl::StatusOr<int> Run() override {
    const auto environment = [](const char* name) -> const char* { return std::getenv(name); };
    ApplyOpenTelemetryEnvironment(environment, &config_.tracing);
    std::vector<std::string> unknown;
    BATUCADA_RETURN_IF_ERROR(table_.CheckEnvironment(NamesOfEnvironment(), &unknown));
    BATUCADA_RETURN_IF_ERROR(table_.Apply(environment));
    BATUCADA_RETURN_IF_ERROR(config_.Validate());
    for (const std::string& name : unknown) {
      fmt::print("the environment variable {} is no setting: it is passed over\n", name);
    }
    return Serve(config_, [this, environment]() -> absl::StatusOr<ServerConfig> {
      ServerConfig config;
      OptionTable table;
      AddServerOptions(table, &config);
      table.TakeFlagsOf(table_);
      ApplyOpenTelemetryEnvironment(environment, &config.tracing);
      BATUCADA_RETURN_IF_ERROR(table.Apply(environment));
      BATUCADA_RETURN_IF_ERROR(config.Validate());
      return config;
    });
  }

 private:
  CLI::App* command_ = nullptr;
  OptionTable table_;
  ServerConfig config_;
};

}  // namespace

std::unique_ptr<Command> MakeServeCommand() { return std::make_unique<ServeCommand>(); }

}  // namespace batucada
