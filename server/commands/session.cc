// `batucada session export|import`: a session's state from a server into a file, and from there into another.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/human_bytes.h"
#include "base/status.h"
#include "base/write_file.h"
#include "server/commands/command.h"
#include "server/common/state_file.h"
#include "server/grpc/checkpoint_client.h"

namespace batucada {
namespace {

namespace fs = std::filesystem;

class SessionCommand : public Command {
 public:
  void Declare(CLI::App& program) override {
    command_ = program.add_subcommand("session", "Take a session's state from one server to another");
    command_->require_subcommand(1);
    export_ = command_->add_subcommand("export", "Write the newest state of a session into a file");
    export_->add_option("session", session_, "A session_id, a prompt_cache_key or a conversation")->required();
    export_->add_option("file", file_, "The file")->required();
    import_ = command_->add_subcommand("import", "Give a server the state in a file");
    import_->add_option("file", file_, "What `session export` wrote")->required();
    import_->add_option("--session", session_, "What it is called there; default: as it was");
    for (CLI::App* one : {export_, import_}) {
      one->add_option("--server", server_,
                      "The server's gRPC port, HOST:PORT; with https before it where that speaks TLS")
          ->capture_default_str();
    }
    command_->footer(
        "The API key is taken from the environment variable BATUCADA_API_KEY.\n"
        "Both servers must serve the same model on the same kind of device, with --host-cache.");
  }
  bool Chosen() const override { return command_->parsed(); }

  absl::StatusOr<int> Run() override {
    const char* const key = std::getenv("BATUCADA_API_KEY");
    const bool schemed = server_.starts_with("http://") || server_.starts_with("https://");
    const CheckpointServer server = {.url = schemed ? server_ : "http://" + server_, .key = key == nullptr ? "" : key};
    BATUCADA_RETURN_IF_ERROR(export_->parsed() ? Export(server) : Import(server));
    return 0;
  }

 private:
  absl::Status Export(const CheckpointServer& server) const {
    // A server that sends something else is not listened to for longer than it takes to see that.
    std::string bytes;
    absl::StatusOr<StateFileHead> head = StateFileHead{};
    const absl::Status got = GetCheckpoint(server, session_, [&](std::string_view part) {
      if (part.empty()) head = absl::DataLossError("the server sends nothing, time and again");
      if (!head.ok()) return false;
      const bool has_head = bytes.size() >= kStateFileHeadBytes;
      bytes += part;
      if (!has_head && bytes.size() >= kStateFileHeadBytes) head = ReadStateFileHead(bytes);
      if (!head.ok() || bytes.size() < kStateFileHeadBytes) return head.ok();
      if (static_cast<int64_t>(bytes.size()) > head->bytes) {
        head =
            absl::DataLossError(fmt::format("the server sends more than the {} bytes that the state has", head->bytes));
      }
      return head.ok();
    });
    BATUCADA_RETURN_IF_ERROR(head.status());
    BATUCADA_RETURN_IF_ERROR(got);
    BATUCADA_ASSIGN_OR_RETURN(const StateFile state, ReadStateFile(bytes));
    BATUCADA_RETURN_IF_ERROR(WriteWholeFile(file_, bytes));
    fmt::print("{}: the state behind {} tokens of {}, {}\n", file_, state.state.ids.size(), session_,
               HumanBytes(static_cast<int64_t>(bytes.size())));
    return absl::OkStatus();
  }

  absl::Status Import(const CheckpointServer& server) const {
    BATUCADA_ASSIGN_OR_RETURN(const std::string bytes, ReadState());
    BATUCADA_ASSIGN_OR_RETURN(const PutCheckpointResult result, PutCheckpoint(server, session_, bytes));
    fmt::print("{}: {} tokens need not be computed again\n", result.session, result.tokens);
    return absl::OkStatus();
  }

  // The file, as far as its head says that it goes and a byte on: the server, which knows, refuses what is none by its
  // first bytes, and what goes on behind its end.
  absl::StatusOr<std::string> ReadState() const {
    constexpr int64_t kMostOfNoState = 64 << 10;
    std::error_code error;
    if (!fs::is_regular_file(file_, error)) {
      return absl::InvalidArgumentError(fmt::format("cannot read {}: it is not there, or no regular file", file_));
    }
    std::ifstream in(file_, std::ios::binary);
    const auto read = [&in](int64_t most) {
      std::string bytes(static_cast<size_t>(most), '\0');
      in.seekg(0).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      bytes.resize(static_cast<size_t>(in.gcount()));
      in.clear();
      return bytes;
    };
    const std::string head = read(kStateFileHeadBytes);
    const absl::StatusOr<StateFileHead> said =
        head.size() < kStateFileHeadBytes ? StateFileHead{} : ReadStateFileHead(head);
    const auto size = static_cast<int64_t>(fs::file_size(file_, error));
    if (error || !in.is_open()) return absl::InvalidArgumentError(fmt::format("cannot read {}", file_));
    return read(std::min(size, said.ok() ? std::max(said->bytes + 1, kMostOfNoState) : kMostOfNoState));
  }

  CLI::App* command_ = nullptr;
  CLI::App *export_ = nullptr, *import_ = nullptr;
  std::string server_ = "127.0.0.1:9000", session_, file_;
};

}  // namespace

std::unique_ptr<Command> MakeSessionCommand() { return std::make_unique<SessionCommand>(); }

}  // namespace batucada
