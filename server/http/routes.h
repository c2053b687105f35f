// Every path of the HTTP API, in one list.
#pragma once

#include "server/http/router.h"
#include "server/service.h"

namespace batucada {

// REQUIRES: `service` outlives the router.
Router MakeRoutes(Service& service);

}  // namespace batucada
