// GET /v1/sessions: what is kept of a key's texts by their names, states in the engine's tiers and conversations in the
// store alike.
#pragma once

#include "server/generate/service.h"
#include "server/http/route_list.h"

namespace batucada {

// All thread-safe; they wait for the store. Sessions of other keys are not there. Where there are no keys, names are
// told to the machine itself alone: who knows a conversation's name may read it.
void AddSessions(RouteList& list);

}  // namespace batucada
