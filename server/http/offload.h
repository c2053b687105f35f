// Keeps handlers of large requests off the connection's thread: other streams of that thread would stand still while a
// prompt of megabytes is parsed and tokenized.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "server/generate/service.h"
#include "server/http/http.h"

namespace batucada {

enum class Offload : uint8_t {
  kIfLarge,
  kAlways,  // it waits for the store
};

// Looks at a request that somebody else keeps.
using LentHandler = std::function<Answer(const HttpRequest&)>;

// `handler`, run by `service.workers` (`service.store_workers`, if always) for larger requests, for those whose
// handling is deferred (work_attempt.h), and for encoded ones (content_coding.h), which it gets decoded. When too much
// waits there, the answer is 429; when the pool ends first, 503. `handler` must be thread-safe, and must not mind to be
// run twice where its first run was deferred; `api` names it in the log. REQUIRES: `service` outlives the answers.
Handler OffThread(Service& service, std::string api, LentHandler handler, Offload when = Offload::kIfLarge);

}  // namespace batucada
