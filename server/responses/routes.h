// /v1/responses and /v1/conversations.
#pragma once

#include "server/http/route_list.h"

namespace batucada {

void AddResponses(RouteList& list);

}  // namespace batucada
