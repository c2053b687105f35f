// What tells one request from the others in logs, traces and answers.
#pragma once

#include <string>
#include <string_view>

namespace batucada {

// Printable ASCII without spaces or quotes, 1 to 128 characters: may be logged and echoed in a header.
bool IsSoundRequestId(std::string_view id);
std::string NewRequestId();  // 32 random hexadecimal digits

}  // namespace batucada
