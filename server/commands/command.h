// The subcommands of the batucada program: one file each, listed in main.cc.
#pragma once

#include <memory>

#include "absl/status/statusor.h"

namespace CLI {
class App;
}

namespace batucada {

class Command {
 public:
  virtual ~Command() = default;
  // Adds the subcommand and its options. REQUIRES: this outlives `program`.
  virtual void Declare(CLI::App& program) = 0;
  // Whether the command line, parsed by now, names it.
  virtual bool Chosen() const = 0;
  // The exit code. INVALID_ARGUMENT from here means that the command line or a setting is wrong: exit code 2; any other
  // error is exit code 1. Either way the message is one sentence for a person.
  virtual absl::StatusOr<int> Run() = 0;
};

std::unique_ptr<Command> MakeServeCommand();
std::unique_ptr<Command> MakeCompleteCommand();
std::unique_ptr<Command> MakeInspectCommand();
std::unique_ptr<Command> MakeModelsCommand();
std::unique_ptr<Command> MakeDownloadCommand();
std::unique_ptr<Command> MakeSessionCommand();
std::unique_ptr<Command> MakeVersionCommand();

// `batucada bench` is a program of its own, so that it can travel to a GPU machine without the server's libraries:
// batucada-bench, beside this one, takes this one's place. `arguments` are its argv. Returns only if it cannot.
absl::Status RunBench(char** arguments);

}  // namespace batucada
