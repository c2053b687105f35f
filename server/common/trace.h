// W3C Trace Context: which trace a request belongs to, and whether its caller wants it recorded.
#pragma once

#include <string>
#include <string_view>

namespace batucada {

// All empty: the client sent none.
struct TraceContext {
  std::string trace_id;   // 32 lower-case hexadecimal digits
  std::string parent_id;  // of the caller's span: 16 of them
  bool sampled = false;   // the caller records its span and wants ours
};

// Of a traceparent header, "00-TRACE-PARENT-FLAGS". Empty if the header is not sound, which the standard wants ignored.
TraceContext ReadTraceparent(std::string_view traceparent);

}  // namespace batucada
