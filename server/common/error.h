// What goes wrong with a request, on its way to either wire: an absl::Status that may also name the parameter at fault
// and a code for programs. The message says parameter, value and limit.
//
//   status                HTTP   OpenAI type              gRPC
//   INVALID_ARGUMENT      400    invalid_request_error    INVALID_ARGUMENT
//   UNAUTHENTICATED       401    authentication_error     UNAUTHENTICATED
//   NOT_FOUND             404    invalid_request_error    NOT_FOUND
//   CANCELLED             409    cancelled_error          CANCELLED
//   RESOURCE_EXHAUSTED    429    rate_limit_error         RESOURCE_EXHAUSTED
//     "request_too_large" 413    invalid_request_error    RESOURCE_EXHAUSTED (it will never fit)
//   UNAVAILABLE           503    service_unavailable_error UNAVAILABLE
//   DEADLINE_EXCEEDED     504    timeout_error            DEADLINE_EXCEEDED
//   anything else         500    server_error             itself (FAILED_PRECONDITION, not set up for it: 400)
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace batucada {

// INVALID_ARGUMENT about one parameter of the request. `param` is a path a client can find: "stop[3]".
absl::Status InvalidParameter(std::string_view param, std::string_view message,
                              std::string_view code = "invalid_value");
// Adds the parameter and code to a status.
absl::Status WithParameter(absl::Status status, std::string_view param, std::string_view code);

// The same fault, of a parameter whose client calls it otherwise: `to` for `from`, in its name, "from[3]", and at the
// beginning of its message. Unchanged, if it is of another parameter.
absl::Status RenameParameter(const absl::Status& status, std::string_view from, std::string_view to);

// What a request is told that ended because an allocation failed, as under a limit of the address space.
absl::Status OutOfMemory();

// Empty if the status names none.
std::string ErrorParameter(const absl::Status& status);
std::string ErrorCode(const absl::Status& status);

int HttpStatusOf(const absl::Status& status);

// {"error":{"message":…,"type":…,"param":…,"code":…}}
std::string ErrorJson(const absl::Status& status);
// The same for errors that only HTTP has: 405, 408, 413, 431.
std::string ErrorJson(int http_status, std::string_view message, std::string_view param, std::string_view code);

}  // namespace batucada
