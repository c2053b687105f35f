// The page at /, for people with a browser: web/index.html, whole.
#pragma once

#include <string_view>

namespace batucada {

extern const std::string_view kPage;

}  // namespace batucada
