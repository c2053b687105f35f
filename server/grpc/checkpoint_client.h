// GetCheckpoint and PutCheckpoint of another server, on libcurl's HTTP/2: for `batucada session`.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace batucada {

struct CheckpointServer {
  std::string url;  // of its gRPC port: with its scheme, http or https
  std::string key;  // an API key; empty: none
};

// Gives the file's bytes to `take`, in order; false ends it. Errors are the server's own, or UNAVAILABLE where none
// answers.
absl::Status GetCheckpoint(const CheckpointServer& server, const std::string& session,
                           const std::function<bool(std::string_view)>& take);

struct PutCheckpointResult {
  std::string session;
  int64_t tokens = 0;
};
// `session`: what it is called there; empty: as the file says.
absl::StatusOr<PutCheckpointResult> PutCheckpoint(const CheckpointServer& server, const std::string& session,
                                                  std::string_view file);

}  // namespace batucada
