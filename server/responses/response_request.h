// The body of POST /v1/responses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "absl/status/statusor.h"
#include "server/generate/completion_params.h"
#include "server/json/parameter_table.h"
#include "server/store/records.h"

namespace batucada {

struct ResponseParams : CompletionParams {
  std::vector<StoredItem> input;
  std::string instructions;  // what the system says before all; not a part of what the next response goes on from
  std::string previous_response_id, conversation_id;  // at most one of them
  bool store = true;
  bool background = false;
  bool drops_oldest = false;  // truncation: auto
  bool summarises = false;    // what the model thinks is told as a summary
  boost::json::object told;   // members that the response repeats

  // The conversation is there from the beginning; its messages are known once the store is read.
  ResponseParams() {
    conversation.emplace();
    names = {.prompt = "input", .max_tokens = "max_output_tokens", .logprobs = "top_logprobs"};
  }
};

const ParameterTable<ResponseParams>& ResponseParameters();

// Whether `include` may name it.
bool IsIncludable(std::string_view name);

// INVALID_ARGUMENT names the parameter, inside the input too. Thread-safe.
absl::StatusOr<ResponseParams> ParseResponseRequest(std::string_view body, UnknownMembers* unknown = nullptr);

}  // namespace batucada
