// Endpoints that clients know from other servers and this one has not.
#pragma once

#include <string>
#include <string_view>

namespace batucada {

// What to tell a client that asks for `path`: which endpoint is missing, in a sentence, or that there is nothing.
std::string NotOffered(std::string_view path);

}  // namespace batucada
