// llama.cpp's POST /slots/{id}?action=save|restore|erase: slots are sessions named by their number, and what is saved
// is a session named by its file.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "server/http/route_list.h"

namespace batucada {

// Any number will do: slots are no places in memory here.
inline constexpr int64_t kMostSlot = std::numeric_limits<int32_t>::max();
std::string SlotName(int64_t slot);

void AddLlamaSlots(RouteList& list);

}  // namespace batucada
