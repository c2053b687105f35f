// One table from names to fields, filled three times over: from the config file, the environment and the command line,
// each overriding the one before. CLI11 splits the command line, reads the file and prints the help; the values are
// parsed here, so that every source gives the same errors.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/config/server_config.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace batucada {

struct Option {
  std::string flag;   // "max-sequences": --max-sequences, BATUCADA_MAX_SEQUENCES, max-sequences in the file
  std::string group;  // heading in --help
  std::string type;   // "INT", "SIZE", "TIME", "a|b|c", …
  std::string help;
  std::string shown_default;
  std::string bare;    // what the flag means without a value; empty: it needs one
  bool many = false;   // may be given several times; the last source that names it wins whole
  bool guard = false;  // what an empty value would switch off by mistake
  std::function<absl::Status(const std::vector<std::string>& values)> set;  // REQUIRES: one value, unless `many`
};

class OptionTable {
 public:
  void AddString(std::string flag, std::string group, std::string help, std::string* field);
  void AddStrings(std::string flag, std::string group, std::string help, std::vector<std::string>* field);
  void AddInt(std::string flag, std::string group, std::string help, int32_t* field);
  void AddInt(std::string flag, std::string group, std::string help, int64_t* field);
  void AddNumber(std::string flag, std::string group, std::string help, double* field);
  // Unset unless a source names it.
  void AddInt(std::string flag, std::string group, std::string help, std::optional<int64_t>* field);
  void AddNumber(std::string flag, std::string group, std::string help, std::optional<double>* field);
  void AddBytes(std::string flag, std::string group, std::string help, int64_t* field);
  void AddDuration(std::string flag, std::string group, std::string help, absl::Duration* field);
  // What `read` makes of the text; it may set several fields, which later sources, and options added later, override.
  void AddText(std::string flag, std::string group, std::string type, std::string help,
               std::function<absl::Status(const std::string&)> read);
  // One of `names`, in the order of the enum's values; a flag without a value is `bare`, if that is not empty.
  template <typename Enum>
  void AddEnum(std::string flag, std::string group, std::string help, std::vector<std::string> names, Enum* field,
               std::string bare = "");

  // An empty value of these is an error, and a list of none: a secret that was not filled in must not open the server.
  void Guard(const std::vector<std::string>& flags);

  // Declares every option and --config on a CLI11 command. REQUIRES: this outlives the command.
  void Declare(CLI::App& command);
  // After the command line has been parsed: file, then environment, then flags. `environment` is getenv, or a test's.
  absl::Status Apply(const std::function<const char*(const char*)>& environment);
  // Of the names of all environment variables. INVALID_ARGUMENT for one that is nearly an option's, such as
  // BATUCADA_API_KEYS: whoever wrote it believes that it works. The others that begin as ours do, and are none, are
  // appended to `unknown`.
  absl::Status CheckEnvironment(const std::vector<std::string>& names, std::vector<std::string>* unknown) const;
  // Takes over what the command line said to `other`, which has the same options.
  void TakeFlagsOf(const OptionTable& other);

  static std::string EnvironmentName(std::string_view flag);

 private:
  void Add(Option option);
  void AddEnumIndex(std::string flag, std::string group, std::string help, std::vector<std::string> names,
                    size_t current, std::string bare, std::function<void(size_t)> set);
  absl::Status ApplyFile(const std::string& path);
  absl::Status Set(const Option& option, const std::vector<std::string>& values, std::string_view source);

  std::vector<Option> options_;
  std::map<std::string, std::vector<std::string>> flags_;  // what the command line said, by flag
  std::map<std::string, const CLI::Option*> declared_;
  std::string config_path_;
};

template <typename Enum>
void OptionTable::AddEnum(std::string flag, std::string group, std::string help, std::vector<std::string> names,
                          Enum* field, std::string bare) {
  AddEnumIndex(std::move(flag), std::move(group), std::move(help), std::move(names), static_cast<size_t>(*field),
               std::move(bare), [field](size_t index) { *field = static_cast<Enum>(index); });
}

// The options that say which model runs, where and how large: for every command that makes an engine.
void AddEngineOptions(OptionTable& table, EngineConfig* config);
// Those and the server's own.
void AddServerOptions(OptionTable& table, ServerConfig* config);

}  // namespace batucada
