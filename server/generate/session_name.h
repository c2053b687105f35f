// What a session may be called.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace batucada {

// INVALID_ARGUMENT, of `parameter`, if the name is too long, or is nothing that JSON and a path of /v1/sessions can
// say: no UTF-8, or with a NUL. Empty is sound.
absl::Status CheckSessionName(std::string_view parameter, std::string_view name);

}  // namespace batucada
