// Keeps handlers of large requests off the connection's thread: other streams of that thread would stand still while a
// prompt of megabytes is parsed and tokenized.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/generate/service.h"
#include "server/http/http.h"

namespace batucada {

enum class Offload : uint8_t {
  kIfLarge,
  kAlways,  // it waits for something
};

// `handler`, run by `service.workers` for larger requests, for those that may hold a grammar, and for encoded ones
// (content_coding.h), which it gets decoded. When too much waits there, the answer is 429. `handler` must be
// thread-safe; `api` names it in the log. REQUIRES: `service` outlives the answers.
Handler OffThread(Service& service, std::string api, Handler handler, Offload when = Offload::kIfLarge);

}  // namespace batucada
