#include "server/generate/session_name.h"

#include <fmt/format.h>

#include "engine/session_states.h"
#include "server/common/error.h"
#include "text/utf8.h"

namespace batucada {

absl::Status CheckSessionName(std::string_view parameter, std::string_view name) {
  if (name.size() > SessionStates::kMostNameBytes) {
    return InvalidParameter(parameter, fmt::format("{} has {} bytes; it may have at most {}", parameter, name.size(),
                                                   SessionStates::kMostNameBytes));
  }
  if (FindInvalidUtf8(name).has_value()) return InvalidParameter(parameter, fmt::format("{} is not UTF-8", parameter));
  if (name.find('\0') == std::string_view::npos) return absl::OkStatus();
  return InvalidParameter(parameter, fmt::format("{} has a NUL character: leave it out", parameter));
}

}  // namespace batucada
