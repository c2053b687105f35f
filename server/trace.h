// W3C Trace Context: which trace a request belongs to.
#pragma once

#include <string>
#include <string_view>

namespace batucada {

// The trace id, 32 lower-case hexadecimal digits, of a traceparent header: "00-TRACE-PARENT-FLAGS". Empty if the header
// is not sound, which the standard wants ignored.
std::string TraceIdOf(std::string_view traceparent);

}  // namespace batucada
