// The --config file: `flag = value` lines, a subset of TOML (and of INI) that says one thing in one way.
//
//   # a comment, also behind a value
//   max-sequences = 64
//   served-model-name = ["a", "b"]      a list, over several lines if need be
//   api-key = "KEY admin"               what holds a space, a comma, # or ; is quoted: \" and \\ within "", nothing in
//   ''
//
// What could be read in two ways is an error: a line without =, an open quote, a name twice, a section.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace batucada {

struct Setting {
  std::string name;  // as a flag's: dashes for underscores
  std::vector<std::string> values;
  int line = 0;  // from 1
};

// In the file's order. INVALID_ARGUMENT: one sentence with the number of the line; it shows no value, which may be a
// secret.
absl::StatusOr<std::vector<Setting>> ParseConfigFile(std::string_view text);

}  // namespace batucada
