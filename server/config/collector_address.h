// Where spans go, as --otlp-endpoint says it.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace batucada {

// Below http://localhost:4318 or the like to /v1/traces. The port may be left out; a path may follow.
struct CollectorAddress {
  std::string host;  // without the brackets of an IPv6 address
  std::string port = "4318";
  std::string target = "/v1/traces";
};

// INVALID_ARGUMENT: one sentence that names --otlp-endpoint and what it must be.
absl::StatusOr<CollectorAddress> ParseCollectorAddress(std::string_view url);

}  // namespace batucada
