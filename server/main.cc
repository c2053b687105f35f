// The batucada program: parses the command line, runs one command, and turns errors into a sentence and an exit code.
//
//   0  done, or shut down in order     1  could not do it     2  wrong flag, setting or value     128+n  ended by
//   signal n
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>

#include "server/commands/command.h"
#include "server/commands/signals.h"
#include "server/common/version.h"
#include "server/memory/trimmer.h"

namespace {

// A program may be started without standard input, output or error. What is opened next would get their numbers, and
// the log with them: /dev/null holds the places. Libraries open files before main, so this comes before their
// initialisers, and uses nothing that has one.
void HoldStandardStreams() {
  long fd = 0;
  do {
    fd = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);  // takes the smallest number that is free
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) syscall(SYS_close, fd);
}
__attribute__((section(".preinit_array"), used)) void (*const kBeforeLibraries)() = HoldStandardStreams;

// How deep templates, schemas and JSON nest is bounded in levels, of which `ulimit -s` knows nothing: where there is
// less room than these need, every stack gets it. Before there are other threads. False if that may not be.
bool MakeRoomForRecursion() {
  constexpr size_t kStackBytes = size_t{2} << 20;
  rlimit limit = {};
  if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < kStackBytes) {
    limit.rlim_cur = kStackBytes;
    limit.rlim_max = std::max<rlim_t>(limit.rlim_max, kStackBytes);
    if (setrlimit(RLIMIT_STACK, &limit) != 0) return false;
  }
  pthread_attr_t threads;
  if (pthread_getattr_default_np(&threads) != 0) return true;
  size_t bytes = 0;
  const bool small = pthread_attr_getstacksize(&threads, &bytes) == 0 && bytes < kStackBytes;
  const bool enough =
      !small || (pthread_attr_setstacksize(&threads, kStackBytes) == 0 && pthread_setattr_default_np(&threads) == 0);
  pthread_attr_destroy(&threads);
  return enough;
}

int Fail(int exit_code, const std::string& message) {
  std::fprintf(stderr, "batucada: %s\n", message.c_str());
  return exit_code;
}

// What is wrong with a command line.
std::string Complaint(const CLI::App& program, const CLI::ParseError& error, const std::vector<std::string>& words) {
  const std::vector<CLI::App*> chosen = program.get_subcommands();
  const CLI::App& above = chosen.empty() ? program : *chosen.front();
  std::string names;
  for (const CLI::App* command : above.get_subcommands({})) names += (names.empty() ? "" : ", ") + command->get_name();
  if (chosen.empty()) names += ", bench";
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr || names.empty())
    return std::string(error.what()) + ".";
  const size_t at = chosen.size();
  const std::string wrong = at < words.size() ? "'" + words[at] + "' is no command" : "no command was given";
  return wrong + ": give one of " + names + ".";
}

// What went wrong; allocates nothing.
const char* Reason(const std::exception& exception) {
  const auto* error = dynamic_cast<const std::system_error*>(&exception);
  if (error == nullptr || error->code() != std::errc::resource_unavailable_try_again) return exception.what();
  return "no more threads may be started: raise their limit (ulimit -u, or pids of the container), or give more memory "
         "(ulimit -v)";
}

// For what nobody caught: an exception of a thread, or of memory or threads that could not be had while others ran.
[[noreturn]] void EndWithASentence() {
  const char* reason = "no exception";
  try {
    if (const std::exception_ptr current = std::current_exception()) std::rethrow_exception(current);
  } catch (const std::bad_alloc&) {
    reason = "out of memory: give it more, or lower what it is to hold (--max-sequences, --pool-memory)";
  } catch (const std::exception& exception) {
    reason = Reason(exception);
  } catch (...) {
    reason = "an unknown exception";
  }
  std::fprintf(stderr, "batucada: ended: %s\n", reason);
  std::fflush(stderr);
  _exit(1);
}

int Main(int argc, char** argv) {
  // Its flags are another program's.
  if (argc > 1 && std::string_view(argv[1]) == "bench") {
    return Fail(1, std::string(batucada::RunBench(argv + 1).message()));
  }
  CLI::App program("Serves Samba-family language models over HTTP and gRPC.", "batucada");
  program.set_version_flag("--version", std::string("batucada ") + batucada::kVersion);
  program.require_subcommand(1);
  program.footer("batucada bench [FLAGS] times whole steps of a model beside their floors.");
  program.get_formatter()->column_width(44);
  std::vector<std::unique_ptr<batucada::Command>> commands;
  commands.push_back(batucada::MakeServeCommand());
  commands.push_back(batucada::MakeCompleteCommand());
  commands.push_back(batucada::MakeInspectCommand());
  commands.push_back(batucada::MakeModelsCommand());
  commands.push_back(batucada::MakeDownloadCommand());
  commands.push_back(batucada::MakeSessionCommand());
  commands.push_back(batucada::MakeVersionCommand());
  for (const auto& command : commands) command->Declare(program);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
    std::error_code none;
    const bool directory = argc > 2 && std::filesystem::is_directory(argv[2], none);
    return Fail(2, Complaint(program, error, {argv + 1, argv + argc}) +
                       (directory ? " A model's directory goes behind --model." : "") +
                       " Run with --help for more information.");
  }
  for (const auto& command : commands) {
    if (!command->Chosen()) continue;
    const absl::StatusOr<int> exit_code = command->Run();
    if (exit_code.ok()) return *exit_code;
    const bool wrong_input = exit_code.status().code() == absl::StatusCode::kInvalidArgument;
    return Fail(wrong_input ? 2 : 1, std::string(exit_code.status().message()));
  }
  return Fail(2, "no command was given");
}

}  // namespace

int main(int argc, char** argv) {
  std::set_terminate(EndWithASentence);
  batucada::ExplainBusErrors();
  batucada::SetUpAllocator();
  if (!MakeRoomForRecursion()) return Fail(1, "a stack may have less than 2 MiB here: raise its limit (ulimit -s)");
  try {
    return Main(argc, argv);
  } catch (const std::bad_alloc&) {
    return Fail(1, "out of memory: give it more, or lower what it is to hold (--max-sequences, --pool-memory)");
  } catch (const std::exception& exception) {
    return Fail(1, std::string("unexpected failure: ") + Reason(exception));
  }
}
