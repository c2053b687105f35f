#include <cstdio>

#include <CLI/CLI.hpp>

#include "server/commands/command.h"
#include "server/common/version.h"

namespace batucada {
namespace {

class VersionCommand : public Command {
 public:
  void Declare(CLI::App& program) override { command_ = program.add_subcommand("version", "Print the version"); }
  bool Chosen() const override { return command_->parsed(); }
  absl::StatusOr<int> Run() override {
    std::printf("batucada %s\n", kVersion);
    return 0;
  }

 private:
  CLI::App* command_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> MakeVersionCommand() { return std::make_unique<VersionCommand>(); }

}  // namespace batucada
