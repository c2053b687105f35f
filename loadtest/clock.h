// The one clock of every measurement: monotonic, nanoseconds.
#pragma once

#include <algorithm>
#include <chrono>

namespace batucada::loadtest {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = std::chrono::nanoseconds;

inline double ToSeconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
inline double ToMilliseconds(Duration duration) { return ToSeconds(duration) * 1e3; }
// What is too long for nanoseconds in 64 bits is a century, which no run sees the end of.
inline Duration FromSeconds(double seconds) {
  constexpr double kCentury = 3.156e9;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::clamp(seconds, -kCentury, kCentury)));
}

}  // namespace batucada::loadtest
