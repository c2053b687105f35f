// Endpoints that clients know from other servers and this one has not.
#pragma once

#include <string>
#include <string_view>

namespace batucada {

// What to tell a client that asks for `path`: which endpoint is missing, in a sentence, or that there is nothing, and
// what may be meant, if it is anything.
std::string NotOffered(std::string_view path, std::string_view meant = {});
// The same of a method that a path has there and not here; empty if it is not such a one.
std::string MethodNotOffered(std::string_view method, std::string_view path);

}  // namespace batucada
