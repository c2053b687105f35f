// Responses that nobody waits for: made while their clients do something else.
#pragma once

#include <memory>

#include "server/generate/service.h"
#include "server/responses/response_run.h"

namespace batucada {

// Follows the run on the store's thread and keeps it when it has ended. `service`, with that thread, outlives it.
void RunInBackground(Service& service, std::unique_ptr<ResponseRun> run);

}  // namespace batucada
