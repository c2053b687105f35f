// Ids of the calls that a model makes: what a client sends back with a call's result.
#pragma once

#include <string>

#include "server/common/request_id.h"
#include "text/answer/call_format.h"

namespace batucada {

inline std::string NewCallId(CallFormat format) {
  // Mistral's templates take ids of nine letters and digits alone.
  if (format == CallFormat::kMistral) return NewRequestId().substr(0, 9);
  return "call_" + NewRequestId().substr(0, 24);
}

}  // namespace batucada
