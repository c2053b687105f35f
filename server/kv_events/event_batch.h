// A batch of events as vLLM's subscribers read it: MessagePack of [when, events, rank]. An event is a map with its kind
// under "type", as vLLM writes it since 0.24, or an array that begins with its kind, as before (KvEventForm).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "server/config/kv_events_config.h"
#include "server/kv_events/kv_event.h"

namespace batucada {

// `when`: seconds since the epoch.
std::string EncodeBatch(std::span<const KvEvent> events, double when, int32_t block_tokens, KvEventForm form);

}  // namespace batucada
