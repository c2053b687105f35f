// A response as OpenAI's clients read it, but for its output.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "absl/status/status.h"
#include "server/json/json_writer.h"
#include "server/telemetry/request_record.h"

namespace batucada {

enum class ResponseStatus : uint8_t { kInProgress, kCompleted, kIncomplete, kCancelled, kFailed };
std::string_view ResponseStatusName(ResponseStatus status);

struct ResponseObject {
  std::string id;
  int64_t created = 0;  // seconds since 1970
  std::string model;
  double temperature = 1, top_p = 1;
  std::optional<int64_t> max_output_tokens;
  std::string previous_response_id, conversation_id;  // or empty
  boost::json::object told;                           // see ResponseParams
  bool background = false;

  // How it stands.
  ResponseStatus status = ResponseStatus::kInProgress;
  int64_t completed = 0;              // seconds since 1970; 0: not yet
  absl::Status failure;               // with kFailed
  std::optional<RequestUsage> usage;  // once it has ended
  int64_t reasoning_tokens = 0;       // of its generated ones
  bool store = true;                  // whether it is kept
  absl::Status store_failure;         // why it is not, though it should be

  // Members of an object that is open, in which "output" is still to come.
  void WriteMembers(JsonWriter& json) const;
  // All of it; without output if that is empty.
  std::string Json(std::string_view output = {}) const;
};

// A response's JSON that was written without output, with `output`, a list.
std::string WithOutput(std::string json, std::string_view output);

// Whether it was made in the background, or is cancelled already; `json` as Json writes it.
bool CanBeCancelled(const std::string& json);
// A response's JSON with another status and, unless that is empty, an error of this message: of one that ran when
// its process ended, or that is being cancelled.
std::string WithStatus(const std::string& json, ResponseStatus status, const std::string& message);

}  // namespace batucada
