#include "server/common/trace.h"

#include <algorithm>

namespace batucada {

TraceContext ReadTraceparent(std::string_view traceparent) {
  constexpr size_t kLength = 55;  // 2-32-16-2 digits and three dashes
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const auto is_sound = [&](std::string_view digits) { return std::all_of(digits.begin(), digits.end(), is_digit); };
  const auto is_zero = [](std::string_view digits) { return digits.find_first_not_of('0') == digits.npos; };
  if (traceparent.size() < kLength) return {};
  const std::string_view version = traceparent.substr(0, 2), trace = traceparent.substr(3, 32),
                         parent = traceparent.substr(36, 16), flags = traceparent.substr(53, 2);
  for (const size_t dash : {2, 35, 52}) {
    if (traceparent[dash] != '-') return {};
  }
  if (!is_sound(version) || !is_sound(trace) || !is_sound(parent) || !is_sound(flags)) return {};
  if (is_zero(trace) || is_zero(parent) || version == "ff") return {};
  // Later versions may go on behind another dash.
  if (traceparent.size() > kLength && (version == "00" || traceparent[kLength] != '-')) return {};
  // The last bit of the flags: the only one whose meaning no later version may change.
  const char last = flags.back();
  const int digit = last <= '9' ? last - '0' : last - 'a' + 10;
  return {.trace_id = std::string(trace), .parent_id = std::string(parent), .sampled = (digit & 1) != 0};
}

}  // namespace batucada
