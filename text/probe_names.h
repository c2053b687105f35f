// What a chat template is asked to print of a made-up call, when a template is loaded, to learn what it does with it.
#pragma once

#include <string_view>

namespace batucada {

inline constexpr std::string_view kProbeName = "batucada_probe";
inline constexpr std::string_view kProbeId = "batucada1";  // some templates insist on ids of nine letters and digits

}  // namespace batucada
