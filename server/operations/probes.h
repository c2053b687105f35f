// What routers and gateways of other servers ask before and while they send requests here: vLLM's, SGLang's, smg,
// llm-d.
#pragma once

#include "server/generate/service.h"
#include "server/http/http.h"
#include "server/http/route_list.h"

namespace batucada {

void AddProbes(RouteList& list);

}  // namespace batucada
