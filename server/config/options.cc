#include "server/config/options.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/read_file.h"
#include "base/status.h"
#include "server/config/config_file.h"
#include "server/config/units.h"

namespace batucada {
namespace {

absl::Status Empty(std::string_view source) {
  return absl::InvalidArgumentError(fmt::format("{}: it is empty: give a value, or leave it away", source));
}

// A setter for options of one value, from a parser that returns StatusOr<T>.
template <typename Parse, typename T>
std::function<absl::Status(const std::vector<std::string>&)> One(Parse parse, T* field) {
  return [parse, field](const std::vector<std::string>& values) -> absl::Status {
    BATUCADA_ASSIGN_OR_RETURN(*field, parse(values.front()));
    return absl::OkStatus();
  };
}

template <typename T>
absl::StatusOr<T> ParseInt(const std::string& text) {
  T value = 0;
  if (absl::SimpleAtoi(text, &value)) return value;
  return absl::InvalidArgumentError(fmt::format("'{}' is not a whole number in range", text));
}

absl::StatusOr<double> ParseNumber(const std::string& text) {
  double value = 0;
  if (absl::SimpleAtod(text, &value) && std::isfinite(value)) return value;
  return absl::InvalidArgumentError(fmt::format("'{}' is not a finite number", text));
}

}  // namespace

void OptionTable::Add(Option option) { options_.push_back(std::move(option)); }

void OptionTable::AddString(std::string flag, std::string group, std::string help, std::string* field) {
  const auto parse = [](const std::string& text) -> absl::StatusOr<std::string> { return text; };
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = "TEXT",
       .help = std::move(help),
       .shown_default = *field,
       .set = One(parse, field)});
}

void OptionTable::AddStrings(std::string flag, std::string group, std::string help, std::vector<std::string>* field) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = "TEXT...",
       .help = std::move(help),
       .shown_default = fmt::format("{}", fmt::join(*field, ", ")),
       .many = true,
       .set = [field](const std::vector<std::string>& values) {
         *field = values;
         return absl::OkStatus();
       }});
}

void OptionTable::AddInt(std::string flag, std::string group, std::string help, int32_t* field) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = "INT",
       .help = std::move(help),
       .shown_default = std::to_string(*field),
       .set = One(ParseInt<int32_t>, field)});
}

void OptionTable::AddInt(std::string flag, std::string group, std::string help, int64_t* field) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = "INT",
       .help = std::move(help),
       .shown_default = std::to_string(*field),
       .set = One(ParseInt<int64_t>, field)});
}

void OptionTable::AddNumber(std::string flag, std::string group, std::string help, double* field) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = "NUMBER",
       .help = std::move(help),
       .shown_default = fmt::format("{}", *field),
       .set = One(ParseNumber, field)});
}

void OptionTable::AddInt(std::string flag, std::string group, std::string help, std::optional<int64_t>* field) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = "INT",
       .help = std::move(help),
       .shown_default = "",
       .set = One(ParseInt<int64_t>, field)});
}

void OptionTable::AddNumber(std::string flag, std::string group, std::string help, std::optional<double>* field) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = "NUMBER",
       .help = std::move(help),
       .shown_default = "",
       .set = One(ParseNumber, field)});
}

void OptionTable::AddBytes(std::string flag, std::string group, std::string help, int64_t* field) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = "SIZE",
       .help = std::move(help),
       .shown_default = FormatBytes(*field),
       .set = One(ParseBytes, field)});
}

void OptionTable::AddDuration(std::string flag, std::string group, std::string help, absl::Duration* field) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = "TIME",
       .help = std::move(help),
       .shown_default = batucada::FormatDuration(*field),
       .set = One(ParseDuration, field)});
}

void OptionTable::AddText(std::string flag, std::string group, std::string type, std::string help,
                          std::function<absl::Status(const std::string&)> read) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = std::move(type),
       .help = std::move(help),
       .set = [read = std::move(read)](const std::vector<std::string>& values) { return read(values.back()); }});
}

void OptionTable::AddEnumIndex(std::string flag, std::string group, std::string help, std::vector<std::string> names,
                               size_t current, std::string bare, std::function<void(size_t)> set) {
  Add({.flag = std::move(flag),
       .group = std::move(group),
       .type = fmt::format("{}", fmt::join(names, "|")),
       .help = std::move(help),
       .shown_default = names.at(current),
       .bare = std::move(bare),
       .set = [names, set](const std::vector<std::string>& values) -> absl::Status {
         const auto found = std::find(names.begin(), names.end(), values.back());
         if (found == names.end()) {
           return absl::InvalidArgumentError(
               fmt::format("'{}' is not one of {}", values.back(), fmt::join(names, ", ")));
         }
         set(static_cast<size_t>(found - names.begin()));
         return absl::OkStatus();
       }});
}

void OptionTable::Guard(const std::vector<std::string>& flags) {
  for (Option& option : options_) {
    if (std::find(flags.begin(), flags.end(), option.flag) != flags.end()) option.guard = true;
  }
}

void OptionTable::TakeFlagsOf(const OptionTable& other) {
  flags_ = other.flags_;
  config_path_ = other.config_path_;
}

void OptionTable::Declare(CLI::App& command) {
  CLI::Option* config = command.add_option("--config", config_path_,
                                           "File of 'flag = value' lines (TOML or INI); environment and flags win");
  config->type_name("FILE")->group("Settings");
  declared_["config"] = config;
  for (const Option& option : options_) {
    CLI::Option* declared = command.add_option("--" + option.flag, flags_[option.flag], option.help);
    declared->type_name(option.type)->group(option.group);
    declared->expected(option.bare.empty() ? 1 : 0, option.many ? 64 : 1);
    declared->allow_extra_args(option.many);  // else words that follow would be its value, and the last one would win
    declared_[option.flag] = declared;
    declared->multi_option_policy(option.many ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast);
    if (!option.bare.empty()) {
      // CLI11 would take the default for the value that is missing.
      declared->option_text(fmt::format("{}={}", option.type, option.shown_default));
    } else if (!option.shown_default.empty()) {
      declared->default_str(option.shown_default);
    }
  }
}

std::string OptionTable::EnvironmentName(std::string_view flag) {
  std::string name = "BATUCADA_";
  for (const char c : flag) name += c == '-' ? '_' : absl::ascii_toupper(static_cast<unsigned char>(c));
  return name;
}

absl::Status OptionTable::Set(const Option& option, const std::vector<std::string>& values, std::string_view source) {
  // A list of none, too: a file's `api-key = []`.
  if (option.guard && (values.empty() || std::find(values.begin(), values.end(), "") != values.end())) {
    return Empty(source);
  }
  if (!option.many && values.size() != 1) {
    return absl::InvalidArgumentError(fmt::format("{}: has {} values: give one", source, values.size()));
  }
  const absl::Status status = option.set(values);
  if (status.ok()) return status;
  return absl::InvalidArgumentError(fmt::format("{}: {}", source, std::string(status.message())));
}

absl::Status OptionTable::ApplyFile(const std::string& path) {
  constexpr int64_t kMaxBytes = 1 << 20;
  const absl::StatusOr<std::string> text = ReadWholeFile(path, kMaxBytes);
  if (!text.ok()) return absl::InvalidArgumentError(fmt::format("--config: {}", std::string(text.status().message())));
  const absl::StatusOr<std::vector<Setting>> settings = ParseConfigFile(*text);
  if (!settings.ok()) {
    return absl::InvalidArgumentError(fmt::format("--config {}: {}", path, std::string(settings.status().message())));
  }
  for (const Setting& setting : *settings) {
    const auto option =
        std::find_if(options_.begin(), options_.end(), [&](const Option& o) { return o.flag == setting.name; });
    if (option == options_.end()) {
      return absl::InvalidArgumentError(
          fmt::format("--config {}: line {}: there is no setting '{}'", path, setting.line, setting.name));
    }
    BATUCADA_RETURN_IF_ERROR(Set(*option, setting.values, fmt::format("{}: {}", path, setting.name)));
  }
  return absl::OkStatus();
}

absl::Status OptionTable::Apply(const std::function<const char*(const char*)>& environment) {
  const char* config_from_environment = environment("BATUCADA_CONFIG");
  if (config_path_.empty()) {
    // A file that was meant and is not named holds keys that nobody would miss.
    const auto declared = declared_.find("config");
    if (declared != declared_.end() && declared->second->count() > 0) return Empty("--config");
    if (config_from_environment != nullptr) config_path_ = config_from_environment;
    if (config_from_environment != nullptr && config_path_.empty()) return Empty("BATUCADA_CONFIG");
  }
  if (!config_path_.empty()) BATUCADA_RETURN_IF_ERROR(ApplyFile(config_path_));

  for (const Option& option : options_) {
    const std::string name = EnvironmentName(option.flag);
    const char* value = environment(name.c_str());
    if (value != nullptr && (*value != '\0' || option.guard)) BATUCADA_RETURN_IF_ERROR(Set(option, {value}, name));
  }
  for (const Option& option : options_) {
    std::vector<std::string> values = flags_[option.flag];
    const bool alone = values.empty() || values == std::vector<std::string>{""};
    const auto declared = declared_.find(option.flag);
    const bool there = declared != declared_.end() && declared->second->count() > 0;
    if (!option.bare.empty() && alone && there) values = {option.bare};
    if (!values.empty()) BATUCADA_RETURN_IF_ERROR(Set(option, values, "--" + option.flag));
  }
  return absl::OkStatus();
}

}  // namespace batucada
