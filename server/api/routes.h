// Every path of the HTTP API, in one list.
#pragma once

#include "server/generate/service.h"
#include "server/http/route_list.h"
#include "server/http/router.h"

namespace batucada {

// And those that `more` adds. REQUIRES: `service` outlives the router.
Router MakeRoutes(Service& service, const AddRoutes& more = nullptr);

}  // namespace batucada
