// What clients of Triton's backends for language models (vLLM's and TensorRT-LLM's) call the parameters of a
// completion, and what they send besides.
#pragma once

#include <boost/json/object.hpp>

#include "absl/status/statusor.h"
#include "server/generate/completion_params.h"

namespace batucada {

// `names` is told what the client calls those that have another name. `given`: parameters under the names of either
// backend, or of completions. The result: members of a completion's request. INVALID_ARGUMENT names a parameter that is
// there under two names, or that asks for what would not be done.
absl::StatusOr<boost::json::object> ToCompletionMembers(const boost::json::object& given, ParameterNames* names);

}  // namespace batucada
